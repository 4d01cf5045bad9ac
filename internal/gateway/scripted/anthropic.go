package scripted

import "encoding/json"

// signature marks thinking that no model has signed.
const signature = "c2NyaXB0ZWQ=" // "scripted"

func (r reply) anthropicUsage(output int64) object {
	return object{
		"input_tokens": r.usage.Input, "output_tokens": output,
		"cache_read_input_tokens": r.usage.CacheRead, "cache_creation_input_tokens": r.usage.CacheWrite,
		"cache_creation": object{"ephemeral_5m_input_tokens": r.usage.CacheWrite, "ephemeral_1h_input_tokens": 0},
		"service_tier":   "standard",
	}
}

func (r reply) anthropicStop() string {
	switch {
	case r.truncated:
		return "max_tokens"
	case len(r.calls) > 0:
		return "tool_use"
	default:
		return "end_turn"
	}
}

func (r reply) anthropicMessage() object {
	blocks := []object{}
	if r.reasoning != "" {
		blocks = append(blocks, object{"type": "thinking", "thinking": r.reasoning, "signature": signature})
	}
	if r.text != "" {
		blocks = append(blocks, object{"type": "text", "text": r.text})
	}
	for _, c := range r.calls {
		blocks = append(blocks, object{"type": "tool_use", "id": "toolu_" + c.id, "name": c.name, "input": json.RawMessage(c.input)})
	}
	return object{
		"id": "msg_" + r.id, "type": "message", "role": "assistant", "model": r.model, "content": blocks,
		"stop_reason": r.anthropicStop(), "stop_sequence": nil, "usage": r.anthropicUsage(r.usage.Output),
	}
}

func (r reply) anthropicEvents(s *stream) {
	head := r.anthropicMessage()
	head["content"], head["stop_reason"], head["usage"] = []object{}, nil, r.anthropicUsage(1)
	s.event("message_start", object{"message": head})
	index := 0
	block := func(start object, kind, field string, parts []string, then ...object) {
		s.event("content_block_start", object{"index": index, "content_block": start})
		for _, p := range parts {
			s.event("content_block_delta", object{"index": index, "delta": object{"type": kind, field: p}})
		}
		for _, d := range then {
			s.event("content_block_delta", object{"index": index, "delta": d})
		}
		s.event("content_block_stop", object{"index": index})
		index++
	}
	if r.reasoning != "" {
		block(object{"type": "thinking", "thinking": "", "signature": ""}, "thinking_delta", "thinking",
			pieces(r.reasoning, r.chunk), object{"type": "signature_delta", "signature": signature})
	}
	if r.text != "" {
		block(object{"type": "text", "text": ""}, "text_delta", "text", pieces(r.text, r.chunk))
	}
	for _, c := range r.calls {
		block(object{"type": "tool_use", "id": "toolu_" + c.id, "name": c.name, "input": object{}},
			"input_json_delta", "partial_json", pieces(c.input, r.chunk))
	}
	s.event("message_delta", object{
		"delta": object{"stop_reason": r.anthropicStop(), "stop_sequence": nil},
		"usage": r.anthropicUsage(r.usage.Output),
	})
	s.event("message_stop", object{})
}
