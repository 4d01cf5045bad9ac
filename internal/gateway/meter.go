package gateway

import (
	"bytes"
	"encoding/json"

	"github.com/cadrehq/cadre/internal/gateway/wire"
	"github.com/cadrehq/cadre/internal/usage"
)

// meter reads, from an answer as it passes, what the vendor says it consumed. It never guesses:
// fields that are missing stay unknown, and nonsense counts as missing.
type meter struct {
	call     wire.Call
	provider string

	tokens   usage.Tokens
	known    bool   // the vendor has reported usage
	ended    bool   // the stream said that it is complete
	finished bool   // the model did; on the chat wire some endpoints leave it at that
	special  bool   // processed in a way that the price table does not price
	failure  string // kind of the error the stream carried
}

// maxTokens is far beyond any call; a larger number is a broken vendor's.
const maxTokens = 1 << 40

func clamp(n int64) int64 {
	if n < 0 || n > maxTokens {
		return 0
	}
	return n
}

// event reads the data of one event of a stream.
func (m *meter) event(data []byte) {
	switch m.call {
	case wire.CallMessages:
		m.messagesEvent(data)
	case wire.CallResponses:
		m.responsesEvent(data)
	case wire.CallChat:
		m.chatEvent(data)
	}
}

// document reads an answer that is not streamed.
func (m *meter) document(body []byte) {
	m.ended = true
	switch m.call {
	case wire.CallMessages:
		var d struct{ Usage *anthropicUsage }
		if json.Unmarshal(body, &d) == nil {
			m.anthropic(d.Usage)
		}
	case wire.CallResponses:
		var d responseDocument
		if json.Unmarshal(body, &d) == nil {
			m.response(d)
		}
	case wire.CallChat:
		var d chatDocument
		if json.Unmarshal(body, &d) == nil {
			m.chat(d)
		}
	}
}

// anthropicUsage has pointers where a later event may leave out what an earlier one said.
type anthropicUsage struct {
	Input         *int64 `json:"input_tokens"`
	Output        *int64 `json:"output_tokens"`
	CacheRead     *int64 `json:"cache_read_input_tokens"`
	CacheWrite    *int64 `json:"cache_creation_input_tokens"`
	CacheCreation *struct {
		Hour int64 `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
	ServiceTier string `json:"service_tier"`
	Speed       string `json:"speed"`
}

func (m *meter) anthropic(u *anthropicUsage) {
	if u == nil {
		return
	}
	for _, f := range []struct {
		to   *int64
		from *int64
	}{
		{&m.tokens.Input, u.Input}, {&m.tokens.Output, u.Output},
		{&m.tokens.CacheRead, u.CacheRead}, {&m.tokens.CacheWrite, u.CacheWrite},
	} {
		if f.from != nil {
			*f.to, m.known = clamp(*f.from), true
		}
	}
	if u.CacheCreation != nil {
		m.tokens.CacheWriteLong = clamp(u.CacheCreation.Hour)
	}
	m.tokens.CacheWriteLong = min(m.tokens.CacheWriteLong, m.tokens.CacheWrite)
	m.tier(u.ServiceTier)
	m.tier(u.Speed)
}

// tier notes ways of processing that cost more or less than the table says.
func (m *meter) tier(t string) {
	switch t {
	case "", "standard", "default", "auto":
	default:
		m.special = true
	}
}

func (m *meter) messagesEvent(data []byte) {
	// Text deltas are the bulk of a stream and hold nothing to read.
	if !containsAny(data, `"message_`, `"error"`) {
		return
	}
	var e struct {
		Type    string
		Message struct{ Usage *anthropicUsage }
		Usage   *anthropicUsage
		Error   struct{ Type string }
	}
	if json.Unmarshal(data, &e) != nil {
		return
	}
	switch e.Type {
	case "message_start":
		m.anthropic(e.Message.Usage)
	case "message_delta":
		m.anthropic(e.Usage)
	case "message_stop":
		m.ended = true
	case "error":
		m.failure = or2(e.Error.Type, "error")
	}
}

type responseDocument struct {
	ServiceTier string `json:"service_tier"`
	Usage       *struct {
		Input   int64 `json:"input_tokens"`
		Output  int64 `json:"output_tokens"`
		Details struct {
			Cached       int64 `json:"cached_tokens"`
			CacheWrite   int64 `json:"cache_write_tokens"`
			WriteDetails struct {
				Long int64 `json:"ttl_12h_tokens"`
			} `json:"cache_write_tokens_details"`
		} `json:"input_tokens_details"`
	}
	Error *struct{ Code string }
}

func (m *meter) response(d responseDocument) {
	if u := d.Usage; u != nil {
		m.inclusive(u.Input, u.Output, u.Details.Cached, u.Details.CacheWrite)
		m.tokens.CacheWriteLong = min(clamp(u.Details.WriteDetails.Long), m.tokens.CacheWrite)
	}
	m.tier(d.ServiceTier)
}

// inclusive takes counts whose input includes what was cached, as OpenAI's do.
func (m *meter) inclusive(in, out, read, write int64) {
	in, read, write = clamp(in), clamp(read), clamp(write)
	m.tokens = usage.Tokens{Output: clamp(out), CacheRead: min(read, in)}
	m.tokens.CacheWrite = min(write, in-m.tokens.CacheRead)
	m.tokens.Input = in - m.tokens.CacheRead - m.tokens.CacheWrite
	m.known = true
}

func (m *meter) responsesEvent(data []byte) {
	// Only the events that carry a whole response, or an error, have anything to read.
	if !containsAny(data, `"response"`, `"error"`) {
		return
	}
	var e struct {
		Type     string
		Code     string
		Response *responseDocument
	}
	if json.Unmarshal(data, &e) != nil {
		return
	}
	switch e.Type {
	case "response.completed", "response.incomplete", "response.failed":
		m.ended = true
		if e.Response != nil {
			m.response(*e.Response)
			if e.Response.Error != nil {
				m.failure = or2(e.Response.Error.Code, "failed")
			}
		}
	case "error":
		m.failure = or2(e.Code, "error")
	}
}

type chatDocument struct {
	ServiceTier string `json:"service_tier"`
	Choices     []struct {
		FinishReason string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		Total      int64 `json:"total_tokens"`
		Details    struct {
			Cached     int64 `json:"cached_tokens"`
			CacheWrite int64 `json:"cache_write_tokens"`
		} `json:"prompt_tokens_details"`
	}
	Error json.RawMessage
}

func (m *meter) chat(d chatDocument) {
	if u := d.Usage; u != nil {
		out := u.Completion
		if m.provider == usage.ProviderGemini {
			// Gemini's completion_tokens leave its thinking out; its total has it.
			out = max(out, clamp(u.Total)-clamp(u.Prompt))
		}
		m.inclusive(u.Prompt, out, u.Details.Cached, u.Details.CacheWrite)
	}
	m.tier(d.ServiceTier)
}

func (m *meter) chatEvent(data []byte) {
	if bytes.HasPrefix(data, []byte("[DONE]")) {
		m.ended = true
		return
	}
	// Most chunks are a few characters of text; only those that say more are decoded.
	if !containsAny(data, `"usage"`, `"error"`, `"service_tier"`, `"finish_reason":"`, `"finish_reason": "`) {
		return
	}
	var d chatDocument
	if json.Unmarshal(data, &d) != nil {
		return
	}
	m.chat(d)
	for _, c := range d.Choices {
		m.finished = m.finished || c.FinishReason != ""
	}
	if len(d.Error) > 0 && string(d.Error) != "null" {
		var e struct{ Type, Code string }
		_ = json.Unmarshal(d.Error, &e) // a code may be a number; the type then says enough
		m.failure = or2(e.Type, or2(e.Code, "error"))
	}
}

// usageOnly tells whether a chat event is the extra one that include_usage brings: no choices.
func usageOnly(data []byte) bool {
	if !bytes.Contains(data, []byte(`"usage"`)) {
		return false
	}
	var d chatDocument
	return json.Unmarshal(data, &d) == nil && d.Usage != nil && len(d.Choices) == 0
}

// passing tells whether the error a stream carried may be gone on another attempt.
func passing(failure string) bool {
	switch failure {
	case "overloaded_error", "rate_limit_error", "api_error", "timeout_error", "server_error",
		"rate_limit_exceeded", "server_is_overloaded", "internal_error":
		return true
	}
	return false
}

func or2(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func containsAny(data []byte, marks ...string) bool {
	for _, m := range marks {
		if bytes.Contains(data, []byte(m)) {
			return true
		}
	}
	return false
}
