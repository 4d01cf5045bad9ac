package scripted

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"
)

// Limits of what a script may ask for. Prompts carry scripts, so these guard the server.
const (
	MaxScriptBytes = 1 << 20
	maxTurns       = 10_000
	maxToolCalls   = 128
	maxDelay       = 10 * time.Minute
)

// Script is a list of turns and when it is played.
type Script struct {
	Name  string `yaml:"name"`
	Match string `yaml:"match"`
	Turns []Turn `yaml:"turns"`

	file string // name of its file, without the ending
	re   *regexp.Regexp
}

// Turn is one answer of the model.
type Turn struct {
	Text      string     `yaml:"text"`
	Reasoning string     `yaml:"reasoning"`
	ToolCalls []ToolCall `yaml:"tool_calls"`
	// Usage replaces the token counts, which else are counted from the text at four characters each.
	Usage *Usage `yaml:"usage"`
	// Delay passes before the first byte of the answer.
	Delay time.Duration `yaml:"delay"`
	// Chunk is how many characters one event of a stream carries; ChunkDelay passes between events.
	Chunk      int           `yaml:"chunk"`
	ChunkDelay time.Duration `yaml:"chunk_delay"`
	// Error is answered instead, Error.Times times, before the turn is played.
	Error *Fault `yaml:"error"`
	// Truncated ends the answer as if the limit of output tokens had been met.
	Truncated bool `yaml:"truncated"`
}

// ToolCall is a tool the model wants called.
type ToolCall struct {
	Name  string         `yaml:"name"`
	Input map[string]any `yaml:"input"`
}

// Usage is the token counts a turn reports. Input excludes both kinds of cached tokens.
type Usage struct {
	Input      int64 `yaml:"input_tokens"`
	Output     int64 `yaml:"output_tokens"`
	CacheRead  int64 `yaml:"cache_read_tokens"`
	CacheWrite int64 `yaml:"cache_write_tokens"`
}

// Fault is an error the model answers with.
type Fault struct {
	Status     int           `yaml:"status"`
	Times      int           `yaml:"times"` // 1 when not given
	Message    string        `yaml:"message"`
	RetryAfter time.Duration `yaml:"retry_after"` // sent in whole seconds, rounded up
}

// Parse reads scripts from YAML or JSON. The error says which turn is wrong and how.
func Parse(src []byte) ([]Script, error) {
	if len(src) > MaxScriptBytes {
		return nil, fmt.Errorf("script is larger than %d bytes", MaxScriptBytes)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(src, &root); err != nil {
		return nil, fmt.Errorf("parse script: %w", err)
	}
	if len(root.Content) == 0 {
		return nil, errors.New("script is empty")
	}
	var file struct {
		Script  `yaml:",inline"`
		Scripts []Script `yaml:"scripts"`
	}
	var err error
	if root.Content[0].Kind == yaml.SequenceNode {
		err = strict(src, &file.Turns)
	} else {
		err = strict(src, &file)
	}
	if err != nil {
		return nil, fmt.Errorf("parse script: %w", err)
	}
	all := file.Scripts
	if len(file.Turns) > 0 {
		all = append([]Script{file.Script}, all...)
	}
	if len(all) == 0 {
		return nil, errors.New("script has no turns")
	}
	for i := range all {
		if err := all[i].prepare(); err != nil {
			return nil, fmt.Errorf("script %d %q: %w", i+1, all[i].Name, err)
		}
	}
	return all, nil
}

func strict(src []byte, into any) error {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (s *Script) prepare() error {
	if s.Match != "" {
		re, err := regexp.Compile(s.Match)
		if err != nil {
			return fmt.Errorf("match: %w", err)
		}
		s.re = re
	}
	if len(s.Turns) == 0 || len(s.Turns) > maxTurns {
		return fmt.Errorf("has %d turns, want 1 to %d", len(s.Turns), maxTurns)
	}
	for i := range s.Turns {
		if err := s.Turns[i].prepare(); err != nil {
			return fmt.Errorf("turn %d: %w", i+1, err)
		}
	}
	return nil
}

// defaultChunk is how many characters an event of a stream carries: a few words, as models send.
const defaultChunk = 48

func (t *Turn) prepare() error {
	if t.Chunk == 0 {
		t.Chunk = defaultChunk
	}
	if t.Chunk < 1 {
		return errors.New("chunk must be positive")
	}
	if t.Delay < 0 || t.Delay > maxDelay || t.ChunkDelay < 0 || t.ChunkDelay > maxDelay {
		return fmt.Errorf("delay must be between 0 and %s", maxDelay)
	}
	if len(t.ToolCalls) > maxToolCalls {
		return fmt.Errorf("has %d tool calls, at most %d are possible", len(t.ToolCalls), maxToolCalls)
	}
	for i, c := range t.ToolCalls {
		if c.Name == "" {
			return fmt.Errorf("tool call %d has no name", i+1)
		}
		if _, err := json.Marshal(c.Input); err != nil {
			return fmt.Errorf("tool call %d: input cannot be written as JSON: %w", i+1, err)
		}
	}
	if u := t.Usage; u != nil && min(u.Input, u.Output, u.CacheRead, u.CacheWrite) < 0 {
		return errors.New("usage must not be negative")
	}
	return t.Error.prepare()
}

func (f *Fault) prepare() error {
	if f == nil {
		return nil
	}
	if f.Status < http.StatusBadRequest || f.Status > 599 {
		return fmt.Errorf("error status %d is not between 400 and 599", f.Status)
	}
	if f.Times == 0 {
		f.Times = 1
	}
	if f.Times < 0 || f.RetryAfter < 0 {
		return errors.New("error: times and retry_after must not be negative")
	}
	if f.Message == "" {
		f.Message = fmt.Sprintf("scripted error %d", f.Status)
	}
	return nil
}
