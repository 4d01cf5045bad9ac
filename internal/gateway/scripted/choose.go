package scripted

import (
	"errors"
	"fmt"
	"strings"
)

// speaker is who said a message.
type speaker int

const (
	user speaker = iota
	assistant
	tool
)

// message is one message of a conversation, whatever wire it came on.
type message struct {
	by   speaker
	text string
}

// conversation is a request to the model, whatever wire it came on.
type conversation struct {
	model    string
	stream   bool
	usage    bool // the chat wire's wish for a chunk with usage
	messages []message
	chars    int // size of everything said to the model
}

// turns counts runs of consecutive assistant messages: the Responses wire splits one turn into
// several items.
func turns(ms []message) int {
	n := 0
	for i, m := range ms {
		if m.by == assistant && (i == 0 || ms[i-1].by != assistant) {
			n++
		}
	}
	return n
}

// maxLastOutput bounds what a template takes from a tool.
const maxLastOutput = 8 << 10

// lastToolOutput is what the tools answered last, for {{last_tool_output}}.
func (c conversation) lastToolOutput() string {
	for i := len(c.messages) - 1; i >= 0; i-- {
		if c.messages[i].by == tool {
			s := c.messages[i].text
			return strings.ToValidUTF8(s[:min(len(s), maxLastOutput)], "")
		}
	}
	return ""
}

// errOver reports a conversation that has gone on past its script.
var errOver = errors.New("the script is over")

// choose finds the turn to play. Without a script it returns the fallback; it fails when an inline
// script cannot be read or the chosen script has no turn left.
func (l *Library) choose(c conversation, fallback Turn) (Turn, error) {
	name, _ := strings.CutPrefix(c.model, "scripted/")
	if name == c.model {
		name = "" // "scripted" itself, or a model this one stands in for
	}
	scripts := l.candidates(name)
	for i := len(c.messages) - 1; i >= 0; i-- {
		m := c.messages[i]
		if m.by != user {
			continue
		}
		after := turns(c.messages[i+1:])
		if src, ok := fenced(m.text); ok {
			inline, err := Parse([]byte(src))
			if err != nil {
				return Turn{}, fmt.Errorf("the scripted block of the prompt: %w", err)
			}
			return inline[0].turn(after)
		}
		for _, s := range scripts {
			if s.re != nil && s.re.MatchString(m.text) {
				return s.turn(after)
			}
		}
	}
	for _, s := range scripts {
		if name != "" || (s.Name == "default" && s.re == nil) {
			return s.turn(turns(c.messages))
		}
	}
	return fallback, nil
}

func (s Script) turn(n int) (Turn, error) {
	if n >= len(s.Turns) {
		return Turn{}, errOver
	}
	return s.Turns[n], nil
}

// fenced returns the first block of text fenced as scripted. The fence may be longer than three
// backticks, so that a script can hold fences itself.
func fenced(text string) (string, bool) {
	var block []string
	fence := ""
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		ticks := trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "`"))]
		switch {
		case fence == "" && len(ticks) >= 3 && trimmed[len(ticks):] == "scripted":
			fence = ticks
		case fence != "" && len(ticks) >= len(fence) && trimmed == ticks:
			return strings.Join(block, ""), true
		case fence != "":
			block = append(block, line)
		}
	}
	return "", false
}

// fill replaces {{last_tool_output}} in a value that came from a script.
func fill(v any, out string) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "{{last_tool_output}}", out)
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = fill(e, out)
		}
		return m
	case []any:
		s := make([]any, len(v))
		for i, e := range v {
			s[i] = fill(e, out)
		}
		return s
	default:
		return v
	}
}
