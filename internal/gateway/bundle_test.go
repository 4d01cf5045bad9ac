package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway"
	"github.com/cadrehq/cadre/internal/gateway/gatewaytest"
	"github.com/cadrehq/cadre/internal/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The canaries: none of the keys may be seen by a caller, in a log or in the ledger, and the run
// token may not be seen by a vendor.
const (
	anthropicKey = "sk-ant-canary-1111111111"
	openaiKey    = "sk-openai-canary-2222222222"
	geminiKey    = "gemini-canary-3333333333"
	localKey     = "local-canary-4444444444"
	runToken     = "run-token-canary-5555555555"
)

// identities knows one run token, until it is revoked.
type identities struct {
	mu      sync.Mutex
	revoked error
}

func (i *identities) Authenticate(_ context.Context, token string) (gateway.Caller, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.revoked != nil {
		return gateway.Caller{}, i.revoked
	}
	run, ok := strings.CutPrefix(token, runToken)
	if !ok {
		return gateway.Caller{}, api.Fail(api.PlatformErrorCodeAuthenticationRequired, "the run token is not valid")
	}
	return gateway.Caller{RunID: "run-1" + run, ExecutionID: "exec-1", Execution: 1, TeamUID: "team-1"}, nil
}

func (i *identities) revoke(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.revoked = err
}

// ledger keeps calls, after failing as often as it is told to.
type ledger struct {
	mu    sync.Mutex
	calls []usage.Call
	fail  int
}

func (l *ledger) Record(_ context.Context, c usage.Call) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail > 0 {
		l.fail--
		return errors.New("the disk is full")
	}
	l.calls = append(l.calls, c)
	return nil
}

func (l *ledger) all() []usage.Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

// only returns the one call that was recorded.
func (l *ledger) only(t *testing.T) usage.Call {
	t.Helper()
	calls := l.all()
	if len(calls) != 1 {
		t.Fatalf("%d calls were recorded, want 1: %+v", len(calls), calls)
	}
	return calls[0]
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// bundle is a gateway between a server on loopback and a fake vendor of each kind.
type bundle struct {
	t         *testing.T
	gw        *gateway.Gateway
	url       string
	auth      *identities
	ledger    *ledger
	log       *logBuffer
	anthropic *gatewaytest.Vendor
	openai    *gatewaytest.Vendor
	gemini    *gatewaytest.Vendor
	local     *gatewaytest.Vendor
	seen      *logBuffer // everything callers got
}

func newBundle(t *testing.T, script string, change ...func(*gateway.Config)) *bundle {
	t.Helper()
	b := &bundle{
		t: t, auth: &identities{}, ledger: &ledger{}, log: &logBuffer{}, seen: &logBuffer{},
		anthropic: gatewaytest.New(t, anthropicKey, script), openai: gatewaytest.New(t, openaiKey, script),
		gemini: gatewaytest.New(t, geminiKey, script), local: gatewaytest.New(t, localKey, script),
	}
	cfg := gateway.Config{
		Anthropic: gateway.Vendor{Key: anthropicKey, BaseURL: b.anthropic.URL},
		OpenAI:    gateway.Vendor{Key: openaiKey, BaseURL: b.openai.URL + "/v1"},
		Gemini:    gateway.Vendor{Key: geminiKey, BaseURL: b.gemini.URL},
		LocalURL:  b.local.URL, LocalKey: localKey,
		Auth: b.auth, Ledger: b.ledger,
		Log:   slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Retry: gateway.Retry{Attempts: 4, Base: time.Millisecond, Max: 2 * time.Second, Total: 10 * time.Second},
	}
	for _, f := range change {
		f(&cfg)
	}
	gw, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.gw = gw
	mux := http.NewServeMux()
	mux.Handle(gateway.Prefix, gw)
	srv := httptest.NewServer(mux)
	b.url = srv.URL
	t.Cleanup(func() {
		if err := gw.Close(); err != nil {
			t.Error(err)
		}
		srv.Close()
		b.checkCanaries()
	})
	return b
}

// client is an HTTP client whose every answer is kept for the canary search.
func (b *bundle) client() *http.Client {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	b.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: recorder{tr, b.seen}}
}

type recorder struct {
	next http.RoundTripper
	seen io.Writer
}

func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	_ = resp.Header.Write(r.seen)
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(resp.Body, r.seen), resp.Body}
	return resp, nil
}

func (b *bundle) checkCanaries() {
	b.t.Helper()
	for name, out := range map[string]string{"an answer": b.seen.String(), "the log": b.log.String()} {
		for _, key := range []string{anthropicKey, openaiKey, geminiKey, localKey, runToken} {
			if strings.Contains(out, key) {
				b.t.Errorf("%s shows the secret %s", name, key)
			}
		}
	}
	for _, c := range b.ledger.all() {
		if strings.Contains(c.Error, "canary") {
			b.t.Errorf("the ledger shows a secret: %s", c.Error)
		}
	}
	for _, v := range []*gatewaytest.Vendor{b.anthropic, b.openai, b.gemini, b.local} {
		for _, r := range v.Requests() {
			for k, vs := range r.Header {
				if strings.Contains(strings.Join(vs, ""), runToken) {
					b.t.Errorf("a vendor saw the run token in %s", k)
				}
			}
			if r.Header.Get("Cookie") != "" {
				b.t.Error("a vendor saw a cookie")
			}
		}
	}
}

// post sends a request as a plain HTTP client and returns the whole answer.
func (b *bundle) post(path, body string, header ...string) (*http.Response, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", runToken)
	req.Header.Set("Cookie", "session=secret")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client().Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("read the answer: %v (so far %q)", err, out)
	}
	return resp, string(out)
}

const (
	messagesPath  = gateway.AnthropicPath + "/v1/messages"
	responsesPath = gateway.OpenAIPath + "/responses"
	chatPath      = gateway.OpenAIPath + "/chat/completions"
)
