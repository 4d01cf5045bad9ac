package gateway

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/internal/gateway/wire"
	"github.com/cadrehq/cadre/internal/usage"
)

// feed gives a meter a stream in pieces of n bytes.
func feed(m *meter, stream string, n int) {
	var s wire.Splitter
	for len(stream) > 0 {
		k := min(n, len(stream))
		if _, err := s.Write([]byte(stream[:k])); err != nil {
			return
		}
		stream = stream[k:]
		for ev := s.Next(); ev != nil; ev = s.Next() {
			m.event(wire.Data(ev))
		}
	}
}

// Streams as the vendors document them.
const (
	anthropicStream = `event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"claude-opus-5-5","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":472,"cache_creation_input_tokens":500,"cache_read_input_tokens":2000,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":400},"output_tokens":2,"service_tier":"standard"}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\"message_start\" says \"usage\":{\"input_tokens\":9}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":89}}

event: message_stop
data: {"type":"message_stop"}

`
	responsesStream = `event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","usage":null,"error":null}}

event: response.output_text.delta
data: {"type":"response.output_text.delta","delta":"\"response.completed\""}

event: response.completed
data: {"type":"response.completed","sequence_number":9,"response":{"id":"resp_1","status":"completed","service_tier":"default","error":null,"usage":{"input_tokens":1000,"input_tokens_details":{"cached_tokens":600,"cache_write_tokens":100,"cache_write_tokens_details":{"ttl_30m_tokens":70,"ttl_12h_tokens":30}},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":64},"total_tokens":1087}}}

`
	chatStream = `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}

data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}

data: {"id":"c","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":129,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":0}}}

data: [DONE]

`
)

func TestMeterReadsTheVendorsStreams(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, provider, stream string
		call                   wire.Call
		want                   usage.Tokens
	}{
		{"messages", "anthropic", anthropicStream, wire.CallMessages, usage.Tokens{Input: 472, Output: 89, CacheRead: 2000, CacheWrite: 500, CacheWriteLong: 400}},
		{"responses", "openai", responsesStream, wire.CallResponses, usage.Tokens{Input: 300, Output: 87, CacheRead: 600, CacheWrite: 100, CacheWriteLong: 30}},
		{"chat", "openai", chatStream, wire.CallChat, usage.Tokens{Input: 15, Output: 10, CacheRead: 4}},
		{"gemini counts its thinking in the total only", "gemini", chatStream, wire.CallChat, usage.Tokens{Input: 15, Output: 110, CacheRead: 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for n := 1; n < len(tt.stream); n += 7 {
				m := meter{call: tt.call, provider: tt.provider}
				feed(&m, tt.stream, n)
				if m.tokens != tt.want || !m.known || !m.ended || m.special || m.failure != "" {
					t.Fatalf("in pieces of %d: %+v", n, m)
				}
			}
		})
	}
}

func TestMeterMarksSpecialTiers(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{`{"usage":{"input_tokens":1,"service_tier":"priority"}}`, `{"usage":{"input_tokens":1,"speed":"fast"}}`} {
		m := meter{call: wire.CallMessages}
		if m.document([]byte(doc)); !m.special {
			t.Error(doc)
		}
	}
	for _, call := range []wire.Call{wire.CallChat, wire.CallResponses} {
		m := meter{call: call}
		if m.document([]byte(`{"service_tier":"flex","usage":{}}`)); !m.special {
			t.Error(call)
		}
	}
}

func FuzzMeter(f *testing.F) {
	for _, s := range []string{anthropicStream, responsesStream, chatStream, "data: {\"usage\":{\"prompt_tokens\":-1}}\n\n", "data: {\"error\":null}\n\n"} {
		f.Add(s, 5)
	}
	f.Fuzz(func(t *testing.T, stream string, n int) {
		n = max(1, n%100)
		for _, call := range []wire.Call{wire.CallMessages, wire.CallResponses, wire.CallChat} {
			m := meter{call: call, provider: usage.ProviderGemini}
			feed(&m, stream, n)
			m.document([]byte(stream))
			k := m.tokens
			for _, v := range []int64{k.Input, k.Output, k.CacheRead, k.CacheWrite, k.CacheWriteLong, k.CacheWrite - k.CacheWriteLong} {
				if v < 0 || v > maxTokens {
					t.Fatalf("%s: %+v", call, k)
				}
			}
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add(`{"model":"gpt-5","stream":true,"stream_options":{"a":[1,"}"]},"x":"\"{"}`)
	f.Add(` { "stream" : true , "model" : "m" } `)
	f.Add(`{"model":"m","stream_options":null,"stream":true,"n":-1.5e3,"b":[],"o":{}}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, err := parseRequest([]byte(body))
		if err != nil {
			return
		}
		out := r.outgoing(wire.CallChat, "other-model")
		var got struct {
			Model         string
			StreamOptions struct {
				IncludeUsage bool `json:"include_usage"`
			} `json:"stream_options"`
		}
		// Decoded without folding case, as the vendors do.
		var members map[string]json.RawMessage
		if err := json.Unmarshal(out, &members); err != nil {
			t.Fatalf("%q became %q: %v", body, out, err)
		}
		if json.Unmarshal(members["model"], &got.Model) != nil || got.Model != "other-model" && r.model != "other-model" {
			t.Fatalf("%q became %q", body, out)
		}
		if r.stream && !strings.Contains(string(members["stream_options"]), `"include_usage"`) {
			t.Fatalf("%q became %q", body, out)
		}
	})
}
