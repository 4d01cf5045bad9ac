package link

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
)

// ErrOver means that the server does not take this execution's word any more: it was superseded, its
// run was cancelled, or its token is no longer good. The sandbox must end.
var ErrOver = errors.New("this execution is over")

// Client calls the runner's endpoints. It is safe for concurrent use.
type Client struct {
	root, token string
	http        *http.Client
	retry       Backoff
}

// Options tune a Client.
type Options struct {
	// Transport carries requests; nil makes one.
	Transport http.RoundTripper
	// Retry spaces repeated calls.
	Retry Backoff
}

// Backoff spaces attempts: First, doubling up to Most, each shortened by up to a quarter at random so
// that the runners of a host do not come back in step.
type Backoff struct {
	First, Most time.Duration // defaults 50 ms and 5 s
}

func (b Backoff) delay(attempt int) time.Duration {
	first, most := b.First, b.Most
	if first <= 0 {
		first = 50 * time.Millisecond
	}
	if most <= 0 {
		most = 5 * time.Second
	}
	d := min(first<<min(attempt, 16), most)
	return d - rand.N(d/4+1)
}

// New makes a client of the server at root, which has no /api/v1, for the execution of a run token.
func New(root, token string, opts Options) (*Client, error) {
	root, err := client.RootURL(root)
	if err != nil {
		return nil, err
	}
	if opts.Transport == nil {
		opts.Transport = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 60 * time.Second,
			MaxIdleConnsPerHost:   8,
			IdleConnTimeout:       90 * time.Second,
			ForceAttemptHTTP2:     true,
		}
	}
	return &Client{root: root, token: token, http: &http.Client{Transport: opts.Transport}, retry: opts.Retry}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Root is the server's root URL.
func (c *Client) Root() string { return c.root }

// Start fetches the assignment. It waits for a server that is away.
func (c *Client) Start(ctx context.Context, req api.RunnerStartRequest) (a api.RunnerAssignment, err error) {
	err = c.insist(ctx, "fetch the assignment", func(ctx context.Context) error {
		a, err = post[api.RunnerAssignment](ctx, c, "/runner/start", req)
		return err
	})
	return a, err
}

// Entries reads the session's entries with seq > after, in order. It waits for a server that is away.
func (c *Client) Entries(ctx context.Context, runID string, after int64) ([]api.Entry, error) {
	var all []api.Entry
	for {
		var page api.ListEntriesResponse
		err := c.insist(ctx, "read the conversation", func(ctx context.Context) error {
			u := fmt.Sprintf("/agent/runs/%s/entries?limit=1000&after=%d", url.PathEscape(runID), after)
			var err error
			page, err = client.Read[api.ListEntriesResponse](c.do(ctx, http.MethodGet, c.root+api.BasePath+u, nil))
			return err
		})
		if err != nil || len(page.Entries) == 0 {
			return all, err
		}
		all = append(all, page.Entries...)
		after = page.Entries[len(page.Entries)-1].Seq
	}
}

// Secrets takes the values of a phase. It waits for a server that is away.
func (c *Client) Secrets(ctx context.Context, phase api.SecretPhase) (out api.RunnerSecretsResponse, err error) {
	err = c.insist(ctx, "take the secrets", func(ctx context.Context) error {
		out, err = post[api.RunnerSecretsResponse](ctx, c, "/runner/secrets", api.RunnerSecretsRequest{Phase: phase})
		return err
	})
	return out, err
}

// Heartbeat renews the lease once, without repeating. It reports whether the run was cancelled.
func (c *Client) Heartbeat(ctx context.Context) (cancelled bool, err error) {
	r, err := post[api.RunnerHeartbeatResponse](ctx, c, "/runner/heartbeat", nil)
	return r.Cancelled, over(err)
}

// Deltas shows fragments, once: what does not arrive is lost.
func (c *Client) Deltas(ctx context.Context, deltas []api.Delta) error {
	_, err := post[json.RawMessage](ctx, c, "/runner/deltas", api.RunnerDeltasRequest{Deltas: deltas})
	return over(err)
}

// IdentityToken returns a token by which others know the run. It waits for a server that is away.
func (c *Client) IdentityToken(ctx context.Context, runID string, req api.IdentityTokenRequest) (token api.IdentityTokenResponse, err error) {
	err = c.insist(ctx, "get an identity token", func(ctx context.Context) error {
		token, err = post[api.IdentityTokenResponse](ctx, c, "/agent/runs/"+url.PathEscape(runID)+"/identity-token", req)
		return err
	})
	return token, err
}

// ErrCommandsWait is returned by End while commands wait for this execution.
var ErrCommandsWait = errors.New("commands wait for this execution")

// End ends the execution. It waits for a server that is away. While there are commands it did not
// consume, nothing ends and the error is ErrCommandsWait.
func (c *Client) End(ctx context.Context, req api.RunnerEndRequest) error {
	return c.insist(ctx, "end the execution", func(ctx context.Context) error {
		_, err := post[json.RawMessage](ctx, c, "/runner/end", req)
		if f := conflict(err); f != nil && f.Retryable != nil && *f.Retryable {
			return ErrCommandsWait
		}
		return err
	})
}

// PutBlob stores content, which open gives anew for each attempt. It waits for a server that is away.
func (c *Client) PutBlob(ctx context.Context, kind api.BlobKind, name string, open func() (io.ReadCloser, error)) (ref api.BlobRef, err error) {
	q := url.Values{"kind": {string(kind)}}
	if name != "" {
		q.Set("name", name)
	}
	err = c.insist(ctx, "store "+string(kind), func(ctx context.Context) error {
		body, err := open()
		if err != nil {
			return err
		}
		ref, err = client.Read[api.BlobRef](c.do(ctx, http.MethodPost, c.root+api.BasePath+"/runner/blobs?"+q.Encode(), body))
		return err
	})
	return ref, err
}

// Download copies what a signed link leads to, at most limit bytes, into w. The run token goes only
// to the server itself. Every attempt calls begin first, which must discard what came before.
func (c *Client) Download(ctx context.Context, link string, limit int64, begin func() (io.Writer, error)) error {
	return c.insist(ctx, "download", func(ctx context.Context) error {
		w, err := begin()
		if err != nil {
			return err
		}
		base, err := url.Parse(c.root)
		if err != nil {
			return err
		}
		u, err := base.Parse(link)
		if err != nil {
			return fmt.Errorf("download link: %w", err)
		}
		rsp, err := c.do(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return err
		}
		if rsp.StatusCode != http.StatusOK {
			_, err := client.Read[json.RawMessage](rsp, nil)
			return err
		}
		defer func() { _ = rsp.Body.Close() }()
		n, err := io.Copy(w, io.LimitReader(rsp.Body, limit+1))
		if err != nil {
			return &client.Unreachable{Root: c.root, Err: err}
		}
		if n > limit {
			return api.Fail(api.PlatformErrorCodeInvalidRequest, "download is larger than %d bytes", limit)
		}
		return nil
	})
}

// insist repeats a call until it succeeds, fails for good, or ctx ends, whose cause it then returns.
func (c *Client) insist(ctx context.Context, act string, call func(context.Context) error) error {
	for attempt := 0; ; attempt++ {
		err := over(call(ctx))
		if err == nil || !Passes(err) {
			return wrap(ctx, act, err)
		}
		if err := api.Pause(ctx, c.retry.delay(attempt)); err != nil {
			return err
		}
	}
}

func wrap(ctx context.Context, act string, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrCommandsWait):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fmt.Errorf("%s: %w", act, err)
}

// Passes reports whether a failed call may succeed later: the server was away, overloaded or broken.
func Passes(err error) bool {
	var away *client.Unreachable
	if errors.As(err, &away) {
		return true
	}
	var f *api.Failure
	if !errors.As(err, &f) {
		return false
	}
	return f.Status >= 500 || f.Status == http.StatusTooManyRequests || f.Status == http.StatusRequestTimeout ||
		(f.Status == http.StatusConflict && f.Retryable != nil && *f.Retryable)
}

// over turns the answers that end an execution into ErrOver, with the server's words.
func over(err error) error {
	var f *api.Failure
	if !errors.As(err, &f) || errors.Is(err, ErrOver) {
		return err
	}
	final := f.Status == http.StatusConflict && (f.Retryable == nil || !*f.Retryable)
	if final || f.Status == http.StatusUnauthorized || f.Status == http.StatusForbidden {
		return fmt.Errorf("%w: %w", ErrOver, err)
	}
	return err
}

func conflict(err error) *api.Failure {
	var f *api.Failure
	if errors.As(err, &f) && f.Status == http.StatusConflict {
		return f
	}
	return nil
}

func post[T any](ctx context.Context, c *Client, path string, body any) (T, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			var zero T
			return zero, fmt.Errorf("encode request: %w", err)
		}
		r = bytes.NewReader(b)
	}
	return client.Read[T](c.do(ctx, http.MethodPost, c.root+api.BasePath+path, r))
}

// do makes one request. A transport error becomes client.Unreachable, so that it counts as passing.
func (c *Client) do(ctx context.Context, method, target string, body io.Reader) (*http.Response, error) {
	return c.doWith(ctx, method, target, body, nil)
}

// doWith is do with further headers.
func (c *Client) doWith(ctx context.Context, method, target string, body io.Reader, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if strings.HasPrefix(target, c.root+"/") {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	switch {
	case body == nil:
	case strings.Contains(target, "/runner/blobs"):
		req.Header.Set("Content-Type", "application/octet-stream")
	default:
		req.Header.Set("Content-Type", "application/json")
	}
	rsp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &client.Unreachable{Root: c.root, Err: err}
	}
	return rsp, nil
}
