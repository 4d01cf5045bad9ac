package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

// maxAnswer bounds a JSON answer that is read into memory.
const maxAnswer = 64 << 20

// Options tune a Client. The zero value is ready for use.
type Options struct {
	// HTTPClient carries requests out. It must not have a Timeout: sessions are followed for hours.
	// Default: a client that waits at most 60 s for the first byte of an answer.
	HTTPClient *http.Client
	// Retries is how often a request is repeated after a failure that may pass. Negative: never.
	// Default 2.
	Retries int
	// UserAgent is sent with every request. Default "cadre-go".
	UserAgent string
	// Headers are sent with every request.
	Headers http.Header
}

// Client calls one server as one principal. It is safe for concurrent use.
type Client struct {
	root string
	key  string
	raw  *api.Client
	http *http.Client
}

// New makes a client of the server at baseURL, with or without the /api/v1 suffix. An empty key
// sends no credentials. No request is made.
func New(baseURL, key string, opts Options) (*Client, error) {
	root, err := RootURL(baseURL)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, fmt.Errorf("API key: it contains spaces or unprintable characters")
	}
	if opts.HTTPClient == nil {
		opts.HTTPClient = defaultHTTPClient()
	}
	if opts.Retries == 0 {
		opts.Retries = 2
	}
	if opts.UserAgent == "" {
		opts.UserAgent = "cadre-go"
	}
	c := &Client{root: root, key: key, http: opts.HTTPClient}
	c.raw, err = api.NewClient(root+api.BasePath,
		api.WithHTTPClient(&retrier{next: opts.HTTPClient, retries: max(opts.Retries, 0)}),
		api.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			for name, values := range opts.Headers {
				r.Header[name] = values
			}
			r.Header.Set("User-Agent", opts.UserAgent)
			if key != "" {
				r.Header.Set("Authorization", "Bearer "+key)
			}
			return nil
		}))
	if err != nil {
		return nil, fmt.Errorf("server URL: %w", err)
	}
	return c, nil
}

// RootURL normalises a server URL: no trailing slash and no /api/v1, http or https only.
func RootURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil {
		return "", fmt.Errorf("server URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", fmt.Errorf("server URL %q: want http://HOST or https://HOST", s)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("server URL %q: want no user, query or fragment", u.Redacted())
	}
	path := strings.TrimRight(u.Path, "/")
	u.Path, u.RawPath = strings.TrimRight(strings.TrimSuffix(path, api.BasePath), "/"), ""
	return u.String(), nil
}

func defaultHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 60 * time.Second
	return &http.Client{Transport: t, CheckRedirect: sameOriginKey}
}

// sameOriginKey drops the key when a redirect leaves the server. (net/http does so for other
// domains, but keeps it for another port of the same host.)
func sameOriginKey(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fmt.Errorf("stopped after 10 redirects")
	}
	if first := via[0].URL; req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		req.Header.Del("Authorization")
	}
	return nil
}

// Root is the server's root URL, without /api/v1.
func (c *Client) Root() string { return c.root }

// RunURL is where a person sees a run.
func (c *Client) RunURL(runID string) string { return c.root + "/runs/" + url.PathEscape(runID) }

// API is the generated client of every operation in openapi.yaml, with this client's credentials
// and retries. Read turns its answers into values.
func (c *Client) API() *api.Client { return c.raw }

// Read reads the answer of a generated call: a T on success (json.RawMessage takes it untouched),
// an *api.Failure when the server answered a problem. The body is always consumed and closed.
func Read[T any](rsp *http.Response, err error) (T, error) {
	var v T
	if err != nil {
		return v, err
	}
	defer rsp.Body.Close()
	if rsp.StatusCode < 200 || rsp.StatusCode > 299 {
		return v, problem(rsp)
	}
	b, err := io.ReadAll(io.LimitReader(rsp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return v, fmt.Errorf("read answer of %s: %w", rsp.Request.URL.Path, err)
	case len(b) > maxAnswer:
		return v, fmt.Errorf("answer of %s is larger than %d bytes", rsp.Request.URL.Path, maxAnswer)
	case rsp.StatusCode == http.StatusNoContent || len(b) == 0:
		return v, nil
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("answer of %s is not what this client expects; is it a Cadre server? %w", rsp.Request.URL.Path, err)
	}
	return v, nil
}

// none reads an answer whose content does not matter.
func none(rsp *http.Response, err error) error {
	_, err = Read[json.RawMessage](rsp, err)
	return err
}

// Query sets a request's query. The generated parameters send every member, empty ones too,
// which the server would rightly refuse; give it nil and this instead.
func Query(q url.Values) api.RequestEditorFn {
	return func(_ context.Context, r *http.Request) error {
		r.URL.RawQuery = q.Encode()
		return nil
	}
}
