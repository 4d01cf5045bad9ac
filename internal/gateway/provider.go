package gateway

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/internal/gateway/scripted"
	"github.com/cadrehq/cadre/internal/gateway/wire"
	"github.com/cadrehq/cadre/internal/usage"
)

// provider is someone who serves models.
type provider struct {
	name      string
	base      string // up to the API version; a call's path is appended
	key       string
	calls     []wire.Call
	transport http.RoundTripper
}

func newProviders(c Config, scripts http.Handler) map[string]*provider {
	ps := map[string]*provider{
		usage.ProviderScripted: {
			name: usage.ProviderScripted, base: "http://scripted/v1", transport: handlerTransport{scripts},
			calls: []wire.Call{wire.CallMessages, wire.CallCountTokens, wire.CallResponses, wire.CallChat},
		},
	}
	if c.Anthropic.Key != "" {
		ps[usage.ProviderAnthropic] = anthropic(c)
	}
	openai := func(name, base, path, key string, calls ...wire.Call) {
		ps[name] = &provider{name: name, base: withPath(base, path), key: key, transport: c.Transport, calls: calls}
	}
	if c.OpenAI.Key != "" {
		ps[usage.ProviderOpenAI] = openAI(c)
	}
	if c.Gemini.Key != "" {
		openai(usage.ProviderGemini, c.Gemini.BaseURL, "/v1beta/openai", c.Gemini.Key, wire.CallChat)
	}
	if c.LocalURL != "" {
		openai(usage.ProviderLocal, c.LocalURL, "/v1", c.LocalKey, wire.CallChat, wire.CallResponses)
	}
	return ps
}

func anthropic(c Config) *provider {
	// The variable holds the root by the vendor's convention, but a version is often added.
	base := strings.TrimSuffix(strings.TrimRight(c.Anthropic.BaseURL, "/"), "/v1") + "/v1"
	return &provider{
		name: usage.ProviderAnthropic, base: base, key: c.Anthropic.Key, transport: c.Transport,
		calls: []wire.Call{wire.CallMessages, wire.CallCountTokens},
	}
}

func openAI(c Config) *provider {
	return &provider{
		name: usage.ProviderOpenAI, base: withPath(c.OpenAI.BaseURL, "/v1"), key: c.OpenAI.Key, transport: c.Transport,
		calls: []wire.Call{wire.CallResponses, wire.CallChat},
	}
}

// withPath adds the usual path to a base URL that has none.
func withPath(base, path string) string {
	base = strings.TrimRight(base, "/")
	if u, err := url.Parse(base); err == nil && u.Path == "" {
		return base + path
	}
	return base
}

func (p *provider) speaks(c wire.Call) bool { return slices.Contains(p.calls, c) }

// authorize adds the vendor's key.
func (p *provider) authorize(h http.Header) {
	switch {
	case p.key == "":
	case p.name == usage.ProviderAnthropic:
		h.Set("X-Api-Key", p.key)
	default:
		h.Set("Authorization", "Bearer "+p.key)
	}
}

// redacted stands where a key would have been shown.
const redacted = "[redacted]"

// scrub removes the key from what a vendor answers: some echo it in errors.
func (p *provider) scrub(b []byte) []byte {
	if p.key == "" || !bytes.Contains(b, []byte(p.key)) {
		return b
	}
	return bytes.ReplaceAll(b, []byte(p.key), []byte(redacted))
}

func (p *provider) scrubString(s string) string {
	if p.key == "" {
		return s
	}
	return strings.ReplaceAll(s, p.key, redacted)
}

// requestHeaders are those of the caller that a vendor gets to see. All else stays here: the run
// token, cookies, addresses of our network, and whatever would choose another account.
var requestHeaders = []string{
	"Content-Type", "Accept", "User-Agent", "Anthropic-Version", "Anthropic-Beta", "Openai-Beta",
	"Idempotency-Key", "X-Client-Request-Id",
}

// responseHeaders are those of the vendor that a caller gets to see, with any that begins like one
// of responsePrefixes.
var (
	responseHeaders  = []string{"Content-Type", "Retry-After", "Retry-After-Ms", "X-Should-Retry", "Request-Id", "X-Request-Id", "Openai-Version", "Openai-Processing-Ms"}
	responsePrefixes = []string{"Anthropic-Ratelimit-", "X-Ratelimit-"}
)

func (p *provider) outgoing(in http.Header, c wire.Call) http.Header {
	out := http.Header{}
	for _, k := range requestHeaders {
		if v := in.Values(k); len(v) > 0 {
			out[k] = slices.Clone(v)
		}
	}
	out.Set("Content-Type", "application/json")
	if c.Wire() == wire.CallMessages.Wire() && out.Get("Anthropic-Version") == "" {
		out.Set("Anthropic-Version", "2023-06-01")
	}
	p.authorize(out)
	return out
}

func (p *provider) incoming(from, to http.Header) {
	for k, vs := range from {
		pass := slices.Contains(responseHeaders, k) ||
			slices.ContainsFunc(responsePrefixes, func(pre string) bool { return strings.HasPrefix(k, pre) })
		if !pass {
			continue
		}
		for _, v := range vs {
			to.Add(k, p.scrubString(v))
		}
	}
}

// statusError is a vendor's answer that is not what was asked for.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("answered status %d", e.status) }

// scriptedFallback is what the scripted model says without a script.
func scriptedFallback(c Config) string {
	const how = " Put a fenced block of turns into the prompt to see it play."
	if c.Anthropic.Key == "" && c.OpenAI.Key == "" && c.Gemini.Key == "" && c.LocalURL == "" {
		return "Scripted model: no model key is set on this server, so nothing has thought about this request. " +
			"Set ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY to use a real model." + how
	}
	return "Scripted model: no script fits this conversation, and this is not a language model, so nothing has " +
		"thought about this request. Choose another model for a real answer." + how
}

// newScripted builds the scripted model of a configuration.
func newScripted(c Config) (*scripted.Model, *scripted.Library, error) {
	lib, err := scripted.LoadLibrary(c.ScriptDir)
	if err != nil {
		return nil, nil, err
	}
	return scripted.New(lib, scriptedFallback(c)), lib, nil
}
