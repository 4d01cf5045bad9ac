package gateway

import (
	"context"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway/scripted"
	"github.com/cadrehq/cadre/internal/usage"
)

// registry answers which models there are and who serves them.
type registry struct {
	providers map[string]*provider
	library   *scripted.Library
	local     *discovery // nil without a local endpoint
	def       string     // configured default; empty for none
	known     []Model
}

// keyNames are the variables an operator sets, for messages.
var keyNames = map[string]string{
	usage.ProviderAnthropic: "ANTHROPIC_API_KEY",
	usage.ProviderOpenAI:    "OPENAI_API_KEY",
	usage.ProviderGemini:    "GEMINI_API_KEY",
	usage.ProviderLocal:     "CADRE_LOCAL_MODEL_URL",
}

// models lists what can be used now: the configured vendors', the local endpoint's, the scripts.
func (r *registry) models(ctx context.Context) []Model {
	var out []Model
	for _, m := range r.known {
		if r.providers[m.Provider] != nil {
			out = append(out, m)
		}
	}
	if r.local != nil {
		out = append(out, r.local.models(ctx)...)
	}
	out = append(out, scriptedModel("scripted"))
	for _, name := range r.library.Names() {
		out = append(out, scriptedModel("scripted/"+name))
	}
	return out
}

func scriptedModel(id string) Model {
	return Model{
		ID: id, Name: "Scripted (not a model)", Provider: usage.ProviderScripted,
		Wire: api.ModelWireAnthropicMessages, Context: 200_000, MaxOutput: 32_000, upstreamID: id,
	}
}

// maxModelID bounds the name of a model; the longest fine-tuned ones have half of it.
const maxModelID = 200

// lookup finds the model an id names. It fails with an *api.Failure on model_id.
func (r *registry) lookup(ctx context.Context, id string) (Model, error) {
	if len(id) > maxModelID || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return Model{}, api.Invalid("model_id", "is not the name of a model")
	}
	if id == "scripted" || strings.HasPrefix(id, "scripted/") {
		if name := strings.TrimPrefix(strings.TrimPrefix(id, "scripted"), "/"); name != "" && !r.library.Has(name) {
			return Model{}, api.Invalid("model_id", "there is no script %q", name)
		}
		return scriptedModel(id), nil
	}
	if i := slices.IndexFunc(r.known, func(m Model) bool { return m.ID == id }); i >= 0 {
		m := r.known[i]
		m.upstreamID = id
		return m, r.configured(m.Provider, id)
	}
	if p, name, ok := strings.Cut(id, "/"); ok && keyNames[p] != "" && name != "" {
		m := r.describe(ctx, p, name)
		m.ID = id
		return m, r.configured(p, id)
	}
	if p := vendorOf(id); p != "" {
		return guess(p, id), r.configured(p, id)
	}
	return Model{}, api.Invalid("model_id", "unknown model %q; a prefix such as local/ or openai/ names the provider of one that is not listed", id)
}

// describe fills in what is known of a provider's model.
func (r *registry) describe(ctx context.Context, provider, name string) Model {
	for _, m := range r.known {
		if m.Provider == provider && m.ID == name {
			m.upstreamID = name
			return m
		}
	}
	m := guess(provider, name)
	if provider == usage.ProviderLocal && r.local != nil {
		for _, l := range r.local.models(ctx) {
			if l.ID == m.ID {
				return l
			}
		}
	}
	return m
}

func (r *registry) configured(provider, id string) error {
	if r.providers[provider] == nil {
		return api.Invalid("model_id", "%s cannot be used: the server has no access to %s (%s is not set)", id, provider, keyNames[provider])
	}
	return nil
}

// resolve turns what a run asks for into a model. Empty and the auto names ask for a choice.
func (r *registry) resolve(ctx context.Context, id, harness string) (Model, error) {
	if !strings.HasPrefix(id, "auto") && id != "" {
		m, err := r.lookup(ctx, id)
		if err == nil {
			err = fits(m, harness)
		}
		return m, err
	}
	switch id {
	case "", "auto":
		if r.def != "" {
			m, err := r.lookup(ctx, r.def)
			if err != nil || fits(m, harness) == nil {
				return m, err
			}
		}
		return r.pick(ctx, harness, TierBalanced), nil
	case "auto-efficient":
		return r.pick(ctx, harness, TierEfficient), nil
	case "auto-genius":
		return r.pick(ctx, harness, TierGenius), nil
	case "auto-open":
		if r.local != nil {
			for _, m := range r.local.models(ctx) {
				if fits(m, harness) == nil {
					return m, nil
				}
			}
		}
		return Model{}, api.Invalid("model_id", "auto-open needs a local endpoint that serves a model (%s)", keyNames[usage.ProviderLocal])
	}
	return Model{}, api.Invalid("model_id", "unknown model %q", id)
}

// pick chooses among the usable models: the first vendor with a key decides, else the local
// endpoint's first model, else the scripted one.
func (r *registry) pick(ctx context.Context, harness string, t Tier) Model {
	for _, m := range r.models(ctx) {
		if fits(m, harness) == nil && (m.Tier == t || m.Provider == usage.ProviderLocal || m.Scripted()) {
			if m.upstreamID == "" {
				m.upstreamID = m.ID
			}
			return m
		}
	}
	return scriptedModel("scripted")
}

// fits tells whether a harness that speaks only one wire can use the model.
func fits(m Model, harness string) error {
	var want api.ModelWire
	switch api.HarnessType(harness) {
	case api.HarnessTypeClaude:
		want = api.ModelWireAnthropicMessages
	case api.HarnessTypeCodex:
		want = api.ModelWireOpenaiResponses
	default:
		return nil
	}
	if m.Wire == want || m.Scripted() {
		return nil
	}
	return api.Invalid("model_id", "the %s harness cannot talk to %s, which is spoken to with %s", harness, m.ID, m.Wire)
}
