package scripted

func (r reply) responseUsage() object {
	in := r.usage.Input + r.usage.CacheRead + r.usage.CacheWrite
	return object{
		"input_tokens": in, "output_tokens": r.usage.Output, "total_tokens": in + r.usage.Output,
		"input_tokens_details":  object{"cached_tokens": r.usage.CacheRead, "cache_write_tokens": r.usage.CacheWrite},
		"output_tokens_details": object{"reasoning_tokens": 0},
	}
}

// outputs are the items of the answer, in order.
func (r reply) outputs() []object {
	items := []object{}
	if r.reasoning != "" {
		items = append(items, object{
			"id": "rs_" + r.id, "type": "reasoning", "status": "completed",
			"summary": []object{{"type": "summary_text", "text": r.reasoning}},
		})
	}
	if r.text != "" {
		items = append(items, object{
			"id": "msg_" + r.id, "type": "message", "role": "assistant", "status": "completed",
			"content": []object{{"type": "output_text", "text": r.text, "annotations": []object{}}},
		})
	}
	for _, c := range r.calls {
		items = append(items, object{
			"id": "fc_" + c.id, "type": "function_call", "status": "completed",
			"call_id": "call_" + c.id, "name": c.name, "arguments": c.input,
		})
	}
	return items
}

func (r reply) response() object {
	resp := r.responseHead("completed")
	resp["output"], resp["usage"] = r.outputs(), r.responseUsage()
	if r.truncated {
		resp["status"], resp["incomplete_details"] = "incomplete", object{"reason": "max_output_tokens"}
	}
	return resp
}

func (r reply) responseHead(status string) object {
	return object{
		"id": "resp_" + r.id, "object": "response", "created_at": r.created.Unix(), "status": status,
		"model": r.model, "output": []object{}, "error": nil, "incomplete_details": nil, "usage": nil,
		"parallel_tool_calls": true, "tool_choice": "auto", "tools": []object{}, "metadata": object{},
		"service_tier": "default",
	}
}

func (r reply) responseEvents(s *stream) {
	seq := 0
	send := func(name string, data object) {
		data["sequence_number"] = seq
		seq++
		s.event(name, data)
	}
	send("response.created", object{"response": r.responseHead("in_progress")})
	send("response.in_progress", object{"response": r.responseHead("in_progress")})
	for i, item := range r.outputs() {
		r.itemEvents(send, i, item)
	}
	last := r.response()
	send("response."+last["status"].(string), object{"response": last})
}

func (r reply) itemEvents(send func(string, object), index int, item object) {
	begun := object{}
	for k, v := range item {
		begun[k] = v
	}
	begun["status"] = "in_progress"
	at := func(o object) object {
		o["item_id"], o["output_index"] = item["id"], index
		return o
	}
	switch item["type"] {
	case "reasoning":
		begun["summary"] = []object{}
		send("response.output_item.added", object{"output_index": index, "item": begun})
		send("response.reasoning_summary_part.added", at(object{"summary_index": 0, "part": object{"type": "summary_text", "text": ""}}))
		for _, p := range pieces(r.reasoning, r.chunk) {
			send("response.reasoning_summary_text.delta", at(object{"summary_index": 0, "delta": p}))
		}
		send("response.reasoning_summary_text.done", at(object{"summary_index": 0, "text": r.reasoning}))
		send("response.reasoning_summary_part.done", at(object{"summary_index": 0, "part": object{"type": "summary_text", "text": r.reasoning}}))
	case "message":
		begun["content"] = []object{}
		send("response.output_item.added", object{"output_index": index, "item": begun})
		empty := object{"type": "output_text", "text": "", "annotations": []object{}}
		send("response.content_part.added", at(object{"content_index": 0, "part": empty}))
		for _, p := range pieces(r.text, r.chunk) {
			send("response.output_text.delta", at(object{"content_index": 0, "delta": p, "logprobs": []object{}}))
		}
		send("response.output_text.done", at(object{"content_index": 0, "text": r.text, "logprobs": []object{}}))
		full := object{"type": "output_text", "text": r.text, "annotations": []object{}}
		send("response.content_part.done", at(object{"content_index": 0, "part": full}))
	default:
		args := item["arguments"].(string)
		begun["arguments"] = ""
		send("response.output_item.added", object{"output_index": index, "item": begun})
		for _, p := range pieces(args, r.chunk) {
			send("response.function_call_arguments.delta", at(object{"delta": p}))
		}
		send("response.function_call_arguments.done", at(object{"name": item["name"], "arguments": args}))
	}
	send("response.output_item.done", object{"output_index": index, "item": item})
}
