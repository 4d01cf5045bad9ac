package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway"
	"github.com/cadrehq/cadre/internal/gateway/gatewaytest"
	"github.com/cadrehq/cadre/internal/usage"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello, func(c *gateway.Config) { c.MaxBody = 1000 })
	for name, tt := range map[string]struct {
		path, body string
		header     []string
		status     int
		says       string
	}{
		"no token":           {chatPath, "{}", []string{"X-Api-Key", ""}, 401, "run token"},
		"wrong token":        {messagesPath, "{}", []string{"X-Api-Key", "sk-nope"}, 401, "not valid"},
		"unknown path":       {gateway.OpenAIPath + "/embeddings", "{}", nil, 404, "no such path"},
		"path of the other":  {gateway.AnthropicPath + "/v1/responses", "{}", nil, 404, "no such path"},
		"not json":           {chatPath, "{", nil, 400, "not valid JSON"},
		"not an object":      {chatPath, "[]", nil, 400, "not a JSON object"},
		"no model":           {chatPath, "{}", nil, 400, "model: is required"},
		"model of a kind":    {chatPath, `{"model":1}`, nil, 400, "model:"},
		"stream of a kind":   {chatPath, `{"model":"gpt-5","stream":"yes"}`, nil, 400, "stream:"},
		"options of a kind":  {chatPath, `{"model":"gpt-5","stream_options":[]}`, nil, 400, "stream_options:"},
		"two models":         {chatPath, `{"model":"gpt-6-luna","model":"gpt-6-astra"}`, nil, 400, "given twice"},
		"model in capitals":  {messagesPath, `{"model":"claude-opus-5-5","MODEL":"claude-haiku-5-5"}`, nil, 400, "misspelt"},
		"unknown model":      {chatPath, `{"model":"llama"}`, nil, 404, "unknown model"},
		"strange model":      {chatPath, `{"model":"gpt-\u0000"}`, nil, 404, "not the name"},
		"unknown script":     {chatPath, `{"model":"scripted/none"}`, nil, 404, "no script"},
		"model of the other": {chatPath, `{"model":"claude-sonnet-5-5"}`, nil, 404, "not spoken to"},
		"too large":          {chatPath, `{"model":"` + strings.Repeat("x", 1000) + `"}`, nil, 413, "too large"},
		"compressed":         {chatPath, "{}", []string{"Content-Encoding", "gzip"}, 415, "without compression"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, body := b.post(tt.path, tt.body, tt.header...)
			if resp.StatusCode != tt.status || !strings.Contains(body, tt.says) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			var doc struct {
				Error struct{ Type, Message string }
			}
			if json.Unmarshal([]byte(body), &doc) != nil || doc.Error.Message == "" || doc.Error.Type == "" {
				t.Errorf("not an error of the wire: %s", body)
			}
			if resp.Header.Get("X-Should-Retry") != "false" && tt.status != 404 {
				t.Error("clients would try again")
			}
		})
	}
	t.Cleanup(func() {
		if n := len(b.anthropic.Requests()) + len(b.openai.Requests()); n > 0 {
			t.Errorf("%d refused calls reached a vendor", n)
		}
	})
}

func TestMethods(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello)
	for _, tt := range []struct{ method, path string }{{"GET", messagesPath}, {"PUT", chatPath}, {"POST", gateway.OpenAIPath + "/models"}} {
		req, _ := http.NewRequestWithContext(t.Context(), tt.method, b.url+tt.path, nil)
		resp, err := b.client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") == "" {
			t.Errorf("%s %s: %d", tt.method, tt.path, resp.StatusCode)
		}
	}
}

func TestSlowRequestBody(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello, func(c *gateway.Config) { c.BodyTimeout = 50 * time.Millisecond })
	conn, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: %s\r\nContent-Length: 500\r\n\r\n{\"model\"", chatPath, runToken)
	answer, _ := io.ReadAll(conn) // ends because the server gives up on the connection
	if !strings.Contains(string(answer), "408") || !strings.Contains(string(answer), "did not arrive") {
		t.Errorf("%s", answer)
	}
}

func TestCallsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello, func(c *gateway.Config) { c.MaxCallsPerRun = 1; c.RecheckEvery = time.Millisecond })
	b.anthropic.Fail(gatewaytest.Fault{Silence: true})
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(ended)
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, b.url+messagesPath, strings.NewReader(request(messagesPath, true)))
		req.Header.Set("X-Api-Key", runToken)
		if resp, err := b.client().Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	for len(b.anthropic.Requests()) == 0 {
		time.Sleep(time.Millisecond)
	}
	if resp, body := b.post(messagesPath, request(messagesPath, true)); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, _ := b.post(messagesPath, request(messagesPath, true), "X-Api-Key", runToken+"-other"); resp.StatusCode != http.StatusOK {
		t.Error("another run must not be affected")
	}
	cancel()
	<-ended
}

type spent struct{}

func (spent) Allow(context.Context, gateway.Caller, string) error {
	return api.Fail(api.PlatformErrorCodeBudgetExceeded, "the budget of team Blue is spent")
}

func TestBudget(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello, func(c *gateway.Config) { c.Budget = spent{} })
	for _, path := range paths {
		resp, body := b.post(path, request(path, true))
		if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, "budget_exceeded") || !strings.Contains(body, "team Blue") ||
			resp.Header.Get("X-Should-Retry") != "false" {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if resp, _ := b.post(gateway.AnthropicPath+"/v1/messages/count_tokens", request(messagesPath, false)); resp.StatusCode != http.StatusOK {
		t.Error("counting tokens costs nothing")
	}
}

func TestCountTokens(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello)
	resp, body := b.post(gateway.AnthropicPath+"/v1/messages/count_tokens", request(messagesPath, false))
	if resp.StatusCode != http.StatusOK || !strings.Contains(body, "input_tokens") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if len(b.ledger.all()) != 0 {
		t.Error("a count was recorded as a call")
	}
}

func TestInternalErrorsAreNotShown(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello)
	b.auth.revoke(io.ErrUnexpectedEOF)
	resp, body := b.post(chatPath, request(chatPath, true))
	if resp.StatusCode != http.StatusInternalServerError || strings.Contains(body, "EOF") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if !strings.Contains(b.log.String(), "unexpected EOF") {
		t.Error("the cause is not logged")
	}
}

func TestAnswersThatAreTooLarge(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello, func(c *gateway.Config) { c.MaxResponse = 100 })
	resp, body := b.post(messagesPath, request(messagesPath, false))
	if resp.StatusCode != http.StatusBadGateway || !strings.Contains(body, "too large") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if c := b.ledger.only(t); c.Priced || c.Error == "" {
		t.Errorf("recorded %+v", c)
	}
}

// TestMalformedAnswers feeds answers no vendor should send. They reach the caller; the ledger shows
// that what they cost is not known.
func TestMalformedAnswers(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{
		"not json":     "data: {oops\n\ndata: [DONE]\n\n",
		"no usage":     "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
		"odd usage":    "data: {\"usage\":\"much\"}\n\ndata: [DONE]\n\n",
		"huge numbers": "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1e30,\"completion_tokens\":-5}}\n\ndata: [DONE]\n\n",
		"no last line": "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, hello)
			b.openai.Fail(gatewaytest.Fault{FirstEvent: first})
			resp, body := b.post(chatPath, request(chatPath, true))
			if resp.StatusCode != http.StatusOK || !strings.Contains(body, "[DONE]") {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			if c := b.ledger.only(t); c.Priced || c.Cost.Total() != 0 || c.Tokens != (usage.Tokens{}) {
				t.Errorf("recorded %+v", c)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello)
	b.openai.Fail(gatewaytest.Fault{Status: http.StatusTemporaryRedirect, Body: "elsewhere"})
	resp, body := b.post(chatPath, request(chatPath, false))
	if resp.StatusCode != http.StatusBadGateway || !strings.Contains(body, "redirects") || len(b.openai.Requests()) != 1 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}
