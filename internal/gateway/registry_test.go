package gateway_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway"
	"github.com/cadrehq/cadre/internal/gateway/gatewaytest"
)

func newGateway(t *testing.T, cfg gateway.Config) *gateway.Gateway {
	t.Helper()
	cfg.Auth, cfg.Ledger = &identities{}, &ledger{}
	gw, err := gateway.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gw.Close() })
	return gw
}

func TestDefaultModel(t *testing.T) {
	t.Parallel()
	local := gatewaytest.New(t, "", "")
	key := gateway.Vendor{Key: "k"}
	for name, tt := range map[string]struct {
		cfg  gateway.Config
		want string
	}{
		"nothing":       {gateway.Config{}, "scripted"},
		"all":           {gateway.Config{Anthropic: key, OpenAI: key, Gemini: key, LocalURL: local.URL}, "claude-sonnet-5-5"},
		"openai":        {gateway.Config{OpenAI: key, Gemini: key}, "gpt-6.1-sol"},
		"gemini":        {gateway.Config{Gemini: key, LocalURL: local.URL}, "gemini-3.8-flash"},
		"local":         {gateway.Config{LocalURL: local.URL}, "local/scripted"}, // what the fake endpoint serves
		"local is down": {gateway.Config{LocalURL: "http://127.0.0.1:1"}, "scripted"},
		"chosen":        {gateway.Config{Anthropic: key, DefaultModel: "claude-opus-5-5"}, "claude-opus-5-5"},
		"chosen script": {gateway.Config{Anthropic: key, DefaultModel: "scripted"}, "scripted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gw := newGateway(t, tt.cfg)
			list := gw.List(t.Context())
			if list.DefaultModelId != tt.want {
				t.Errorf("default %s, want %s", list.DefaultModelId, tt.want)
			}
			i := slices.IndexFunc(list.Models, func(m api.ModelInfo) bool { return m.Id == tt.want })
			if i < 0 || list.Models[i].Scripted != strings.HasPrefix(tt.want, "scripted") || list.Models[i].ContextTokens == 0 {
				t.Errorf("the default is not listed as it should: %+v", list.Models)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "demo.yaml"), []byte("[{text: hi}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := gateway.Vendor{Key: "k"}
	local := gatewaytest.New(t, "", "")
	gw := newGateway(t, gateway.Config{OpenAI: key, Anthropic: key, ScriptDir: dir, LocalURL: local.URL})
	for _, tt := range []struct{ ask, harness, want string }{
		{"", "oz", "claude-sonnet-5-5"},
		{"auto", "", "claude-sonnet-5-5"},
		{"auto", "codex", "gpt-6.1-sol"},
		{"auto-efficient", "claude", "claude-haiku-5-5"},
		{"auto-genius", "codex", "gpt-6-astra"},
		{"auto-open", "oz", "local/scripted"},
		{"claude-opus-5-5", "claude", "claude-opus-5-5"},
		{"claude-opus-9", "oz", "claude-opus-9"}, // not known yet, passed through
		{"gpt-7", "codex", "gpt-7"},
		{"openai/some-proxy-model", "oz", "openai/some-proxy-model"},
		{"local/qwen3:8b", "oz", "local/qwen3:8b"},
		{"scripted", "codex", "scripted"},
		{"scripted/demo", "claude", "scripted/demo"},
	} {
		if got, err := gw.Resolve(t.Context(), tt.ask, tt.harness); err != nil || got != tt.want {
			t.Errorf("Resolve(%q, %q) = %q, %v; want %q", tt.ask, tt.harness, got, err, tt.want)
		}
	}
	for _, tt := range []struct{ ask, harness, says string }{
		{"gemini-3.8-flash", "oz", "GEMINI_API_KEY"},
		{"gpt-6.1-sol", "claude", "cannot talk"},
		{"auto-open", "codex", "local endpoint"},
		{"auto-magic", "oz", "unknown model"},
		{"llama", "oz", "unknown model"},
		{"scripted/nope", "oz", "no script"},
		{"a b", "oz", "not the name"},
		{strings.Repeat("x", 500), "oz", "not the name"},
	} {
		_, err := gw.Resolve(t.Context(), tt.ask, tt.harness)
		var f *api.Failure
		if !errors.As(err, &f) || f.Field != "model_id" || !strings.Contains(f.Detail, tt.says) {
			t.Errorf("Resolve(%q, %q): %v, want %q on model_id", tt.ask, tt.harness, err, tt.says)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]gateway.Config{
		"base URL":      {Anthropic: gateway.Vendor{BaseURL: "api.anthropic.com"}},
		"local URL":     {LocalURL: "ftp://host/v1"},
		"key":           {OpenAI: gateway.Vendor{Key: "secret\n"}},
		"limit":         {MaxBody: -1},
		"default model": {DefaultModel: "claude-opus-5-5"},
		"script dir":    {ScriptDir: "/does/not/exist"},
	} {
		cfg.Auth, cfg.Ledger = &identities{}, &ledger{}
		if _, err := gateway.New(cfg); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (gateway.Config{}).Validate(); err == nil {
		t.Error("no authenticator, no ledger: accepted")
	}
}

// TestModelsReachTheirProviders sends one request per kind of model and looks who got it, and how.
func TestModelsReachTheirProviders(t *testing.T) {
	t.Parallel()
	b := newBundle(t, hello)
	for _, tt := range []struct {
		path, model string
		vendor      *gatewaytest.Vendor
		sees        string
		at          string
	}{
		{messagesPath, "auto", b.anthropic, `"claude-sonnet-5-5"`, "/v1/messages"},
		{messagesPath, "anthropic/glm-5", b.anthropic, `"glm-5"`, "/v1/messages"},
		{responsesPath, "gpt-6.1-sol", b.openai, `"gpt-6.1-sol"`, "/v1/responses"},
		{chatPath, "gemini-3.8-flash", b.gemini, `"gemini-3.8-flash"`, "/v1beta/openai/chat/completions"},
		{chatPath, "local/qwen3", b.local, `"qwen3"`, "/v1/chat/completions"},
	} {
		before := len(tt.vendor.Requests())
		body := strings.NewReplacer("claude-sonnet-5-5", tt.model, "gpt-6.1-sol", tt.model).Replace(request(tt.path, false))
		resp, out := b.post(tt.path, body)
		if resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", tt.model, resp.StatusCode, out)
			continue
		}
		// A local endpoint is also asked for its models, in the background.
		got := slices.DeleteFunc(tt.vendor.Requests()[before:], func(r gatewaytest.Request) bool { return strings.HasSuffix(r.Path, "/models") })
		if len(got) != 1 || !strings.Contains(got[0].Body, `"model":`+tt.sees) || got[0].Path != tt.at {
			t.Errorf("%s: the vendor saw %+v", tt.model, got)
		}
	}
	for _, c := range b.ledger.all() {
		if priced := c.ModelID != "anthropic/glm-5"; c.Priced != priced || (c.Provider == "local" && c.Cost.Total() != 0) {
			t.Errorf("recorded %+v", c)
		}
	}
}

// TestUsageIsAskedFor looks at what becomes of stream_options.
func TestUsageIsAskedFor(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"model":"gpt-5","stream":true,"messages":[{"role":"user","content":"{\"model\":1}"}]}`:                                     `,"stream_options":{"include_usage":true}}`,
		`{"stream_options":{"include_obfuscation":false},"stream":true,"model":"gpt-5","messages":[{"role":"user","content":"}"}] }`: `{"include_obfuscation":false,"include_usage":true}`,
		`{"model":"gpt-5","stream":true,"stream_options":null,"messages":[{"role":"user","content":"x"}]}`:                           `"stream_options":{"include_usage":true}`,
		`{"model":"openai/gpt-5","stream_options":{"include_usage":false},"stream":true,"messages":[{"role":"user","content":"x"}]}`: `{"model":"gpt-5","stream_options":{"include_usage":true}`,
	} {
		b := newBundle(t, hello)
		resp, out := b.post(chatPath, in)
		sent := b.openai.Requests()
		if resp.StatusCode != 200 || len(sent) != 1 || !strings.Contains(sent[0].Body, want) {
			t.Errorf("%s\nbecame %+v\nanswered %s", in, sent, out)
		}
		if strings.Contains(out, `"choices":[]`) {
			t.Error("the caller got the chunk it had not asked for")
		}
		if c := b.ledger.only(t); c.Tokens.Input != 100 {
			t.Errorf("recorded %+v", c)
		}
	}
	b := newBundle(t, hello)
	_, out := b.post(chatPath, `{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}`)
	if !strings.Contains(out, `"choices":[]`) {
		t.Error("the caller did not get the chunk it had asked for")
	}
}
