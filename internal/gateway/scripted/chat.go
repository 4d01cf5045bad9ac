package scripted

import "github.com/cadrehq/cadre/internal/gateway/wire"

func (r reply) chatUsage() object {
	in := r.usage.Input + r.usage.CacheRead + r.usage.CacheWrite
	return object{
		"prompt_tokens": in, "completion_tokens": r.usage.Output, "total_tokens": in + r.usage.Output,
		"prompt_tokens_details":     object{"cached_tokens": r.usage.CacheRead, "cache_write_tokens": r.usage.CacheWrite},
		"completion_tokens_details": object{"reasoning_tokens": 0},
	}
}

func (r reply) chatStop() string {
	switch {
	case r.truncated:
		return "length"
	case len(r.calls) > 0:
		return "tool_calls"
	default:
		return "stop"
	}
}

func (r reply) chatCompletion() object {
	msg := object{"role": "assistant", "content": r.text, "refusal": nil}
	if r.reasoning != "" {
		msg["reasoning_content"] = r.reasoning
	}
	var calls []object
	for _, c := range r.calls {
		calls = append(calls, object{"id": "call_" + c.id, "type": "function", "function": object{"name": c.name, "arguments": c.input}})
	}
	if calls != nil {
		msg["tool_calls"] = calls
	}
	return object{
		"id": "chatcmpl-" + r.id, "object": "chat.completion", "created": r.created.Unix(), "model": r.model,
		"choices": []object{{"index": 0, "message": msg, "finish_reason": r.chatStop(), "logprobs": nil}},
		"usage":   r.chatUsage(),
	}
}

func (r reply) chatEvents(s *stream, withUsage bool) {
	send := func(choices []object, usage any) {
		chunk := object{
			"id": "chatcmpl-" + r.id, "object": "chat.completion.chunk", "created": r.created.Unix(),
			"model": r.model, "choices": choices,
		}
		if withUsage {
			chunk["usage"] = usage
		}
		s.send(wire.Frame("", encode(chunk)))
	}
	delta := func(d object, finish any) {
		send([]object{{"index": 0, "delta": d, "finish_reason": finish}}, nil)
	}
	delta(object{"role": "assistant", "content": ""}, nil)
	for _, p := range pieces(r.reasoning, r.chunk) {
		delta(object{"reasoning_content": p}, nil)
	}
	for _, p := range pieces(r.text, r.chunk) {
		delta(object{"content": p}, nil)
	}
	for i, c := range r.calls {
		delta(object{"tool_calls": []object{{
			"index": i, "id": "call_" + c.id, "type": "function", "function": object{"name": c.name, "arguments": ""},
		}}}, nil)
		for _, p := range pieces(c.input, r.chunk) {
			delta(object{"tool_calls": []object{{"index": i, "function": object{"arguments": p}}}}, nil)
		}
	}
	delta(object{}, r.chatStop())
	if withUsage {
		send([]object{}, r.chatUsage())
	}
	s.send([]byte("data: [DONE]\n\n"))
}
