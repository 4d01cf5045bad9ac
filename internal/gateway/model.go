package gateway

import (
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/usage"
)

// Model is one model a run may use.
type Model struct {
	ID        string // as runs name it
	Name      string // as people read it
	Provider  string // usage.ProviderAnthropic and so on
	Wire      api.ModelWire
	Context   int // tokens the context window holds
	MaxOutput int // tokens one answer may have
	Vision    bool
	Tier      Tier

	upstreamID string // as the vendor names it
}

// Tier places a model among its vendor's.
type Tier string

// The tiers, as the ids auto-efficient and auto-genius ask for them. A vendor's balanced model is
// its default.
const (
	TierEfficient Tier = "efficient"
	TierBalanced  Tier = "balanced"
	TierGenius    Tier = "genius"
)

// Scripted tells that answers come from a file of turns.
func (m Model) Scripted() bool { return m.Provider == usage.ProviderScripted }

// Info is the model as the API shows it.
func (m Model) Info() api.ModelInfo {
	info := api.ModelInfo{
		Id: m.ID, DisplayName: m.Name, Provider: api.ModelInfoProviderUNKNOWN,
		VisionSupported: m.Vision, ContextTokens: m.Context, Scripted: m.Scripted(),
	}
	switch m.Provider {
	case usage.ProviderAnthropic:
		info.Provider = api.ModelInfoProviderANTHROPIC
	case usage.ProviderOpenAI:
		info.Provider = api.ModelInfoProviderOPENAI
	case usage.ProviderGemini:
		info.Provider = api.ModelInfoProviderGOOGLE
	case usage.ProviderLocal:
		info.Description = "Served by the local endpoint."
	case usage.ProviderScripted:
		info.Description = "Plays a file of turns. Not a language model."
	}
	return info
}

// known are the vendors' current models, each vendor's default first. Others of a vendor are passed
// through by name.
func known() []Model {
	const m, k = 1_000_000, 1_000
	claude := func(id, name string, context, out int, t Tier) Model {
		return Model{ID: id, Name: name, Provider: usage.ProviderAnthropic, Wire: api.ModelWireAnthropicMessages, Context: context, MaxOutput: out, Vision: true, Tier: t}
	}
	gpt := func(id, name string, t Tier) Model {
		return Model{ID: id, Name: name, Provider: usage.ProviderOpenAI, Wire: api.ModelWireOpenaiResponses, Context: 1_050 * k, MaxOutput: 128 * k, Vision: true, Tier: t}
	}
	gemini := func(id, name string, t Tier) Model {
		return Model{ID: id, Name: name, Provider: usage.ProviderGemini, Wire: api.ModelWireOpenaiChat, Context: 1_048_576, MaxOutput: 65_536, Vision: true, Tier: t}
	}
	return []Model{
		claude("claude-sonnet-5-5", "Claude Sonnet 5.5", m, 128*k, TierBalanced),
		claude("claude-opus-5-5", "Claude Opus 5.5", m, 128*k, TierGenius),
		claude("claude-haiku-5-5", "Claude Haiku 5.5", m, 128*k, TierEfficient),
		claude("claude-fable-5-1", "Claude Fable 5.1", m, 128*k, ""),
		claude("claude-opus-5", "Claude Opus 5", m, 128*k, ""),
		claude("claude-sonnet-5", "Claude Sonnet 5", m, 128*k, ""),
		claude("claude-sonnet-4-6", "Claude Sonnet 4.6", m, 64*k, ""),
		claude("claude-haiku-4-5", "Claude Haiku 4.5", 200*k, 64*k, ""),
		gpt("gpt-6.1-sol", "GPT-6.1 Sol", TierBalanced),
		gpt("gpt-6-astra", "GPT-6 Astra", TierGenius),
		gpt("gpt-6-luna", "GPT-6 Luna", TierEfficient),
		gpt("gpt-6.1-terra", "GPT-6.1 Terra", ""),
		gpt("gpt-5.6-sol", "GPT-5.6 Sol", ""),
		gemini("gemini-3.8-flash", "Gemini 3.8 Flash", TierBalanced),
		gemini("gemini-3.1-pro-preview", "Gemini 3.1 Pro", TierGenius),
		gemini("gemini-3.1-flash-lite", "Gemini 3.1 Flash-Lite", TierEfficient),
	}
}

// vendorOf recognises a vendor by how it names its models.
func vendorOf(id string) string {
	for _, v := range []struct {
		provider string
		prefixes []string
	}{
		{usage.ProviderAnthropic, []string{"claude-"}},
		{usage.ProviderOpenAI, []string{"gpt-", "chatgpt-", "codex-", "o1", "o3", "o4", "ft:gpt-"}},
		{usage.ProviderGemini, []string{"gemini-"}},
	} {
		for _, p := range v.prefixes {
			if strings.HasPrefix(id, p) {
				return v.provider
			}
		}
	}
	return ""
}

// guess describes a model of which only the name is known, with limits every current model of the
// vendor keeps.
func guess(provider, id string) Model {
	m := Model{ID: id, Name: id, Provider: provider, upstreamID: id, Context: 200_000, MaxOutput: 32_000}
	switch provider {
	case usage.ProviderAnthropic:
		m.Wire, m.Vision = api.ModelWireAnthropicMessages, true
	case usage.ProviderOpenAI:
		m.Wire, m.Vision = api.ModelWireOpenaiResponses, true
	case usage.ProviderGemini:
		m.Wire, m.Vision = api.ModelWireOpenaiChat, true
	case usage.ProviderLocal:
		m.Wire, m.Context, m.MaxOutput = api.ModelWireOpenaiChat, 32_768, 8_192
		m.ID = usage.ProviderLocal + "/" + id
	}
	return m
}
