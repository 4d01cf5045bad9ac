package scripted

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/internal/gateway/wire"
)

// parseRequest reads a request of any wire. The error is shown to the caller.
func parseRequest(call wire.Call, body []byte) (conversation, error) {
	var c conversation
	var err error
	switch call {
	case wire.CallMessages, wire.CallCountTokens:
		err = parseMessages(body, &c)
	case wire.CallResponses:
		err = parseResponses(body, &c)
	default:
		err = parseChat(body, &c)
	}
	if err != nil {
		return c, err
	}
	c.chars = len(body)
	if c.model == "" {
		return c, errors.New("model: is required")
	}
	if len(c.messages) == 0 {
		return c, errors.New("messages: at least one message is required")
	}
	return c, nil
}

func decodeBody(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		var mistyped *json.UnmarshalTypeError
		if errors.As(err, &mistyped) && mistyped.Field != "" {
			return fmt.Errorf("%s: is not of the type it has in this protocol", strings.ToLower(mistyped.Field))
		}
		return errors.New("the request is not one of this protocol")
	}
	return nil
}

func parseMessages(body []byte, c *conversation) error {
	var req struct {
		Model    string
		Stream   bool
		Messages []struct {
			Role    string
			Content content
		}
	}
	if err := decodeBody(body, &req); err != nil {
		return err
	}
	c.model, c.stream = req.Model, req.Stream
	for _, m := range req.Messages {
		if m.Role == "assistant" {
			c.messages = append(c.messages, message{by: assistant})
			continue
		}
		for _, b := range m.Content {
			if b.Type == "tool_result" {
				out, _ := b.Content.of("text")
				c.messages = append(c.messages, message{by: tool, text: out})
			}
		}
		if text, ok := m.Content.of("text"); ok {
			c.messages = append(c.messages, message{by: user, text: text})
		}
	}
	return nil
}

func parseChat(body []byte, c *conversation) error {
	var req struct {
		Model         string
		Stream        bool
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
		Messages []struct {
			Role    string
			Content content
		}
	}
	if err := decodeBody(body, &req); err != nil {
		return err
	}
	c.model, c.stream, c.usage = req.Model, req.Stream, req.StreamOptions.IncludeUsage
	for _, m := range req.Messages {
		text, _ := m.Content.of("text")
		switch m.Role {
		case "assistant":
			c.messages = append(c.messages, message{by: assistant})
		case "tool":
			c.messages = append(c.messages, message{by: tool, text: text})
		case "user":
			c.messages = append(c.messages, message{by: user, text: text})
		}
	}
	return nil
}

func parseResponses(body []byte, c *conversation) error {
	var req struct {
		Model              string
		Stream             bool
		PreviousResponseID string `json:"previous_response_id"`
		Input              json.RawMessage
	}
	if err := decodeBody(body, &req); err != nil {
		return err
	}
	if req.PreviousResponseID != "" {
		return errors.New("previous_response_id: the scripted model keeps no state; send the whole input")
	}
	c.model, c.stream = req.Model, req.Stream
	if bytes.HasPrefix(bytes.TrimSpace(req.Input), []byte(`"`)) {
		var text string
		err := decodeBody(req.Input, &text)
		c.messages = []message{{by: user, text: text}}
		return err
	}
	var items []struct {
		Type    string
		Role    string
		Content content
		Output  content
	}
	if len(req.Input) > 0 {
		if err := decodeBody(req.Input, &items); err != nil {
			return err
		}
	}
	for _, it := range items {
		text, _ := it.Content.of("text", "input_text")
		switch {
		case strings.HasSuffix(it.Type, "_output"):
			out, _ := it.Output.of("text", "input_text", "output_text")
			c.messages = append(c.messages, message{by: tool, text: out})
		case it.Role == "user":
			c.messages = append(c.messages, message{by: user, text: text})
		case it.Role == "assistant", it.Type == "reasoning", strings.HasSuffix(it.Type, "_call"):
			c.messages = append(c.messages, message{by: assistant})
		}
	}
	return nil
}

// content is text, or blocks of which some hold text.
type content []block

type block struct {
	Type    string
	Text    string
	Content content // of a tool_result
}

func (c *content) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		*c = content{{Type: "text", Text: text}}
		return nil
	case '[':
		var blocks []block
		if err := json.Unmarshal(raw, &blocks); err != nil {
			return err
		}
		*c = blocks
	}
	return nil // null, or an object no wire knows as text
}

// of joins the text of the blocks of the given types; ok is false when there is none.
func (c content) of(types ...string) (text string, ok bool) {
	var parts []string
	for _, b := range c {
		if slices.Contains(types, b.Type) {
			parts = append(parts, b.Text)
		}
	}
	return strings.Join(parts, "\n"), len(parts) > 0
}
