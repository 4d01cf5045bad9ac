package scripted

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ask sends a Messages conversation of user texts and assistant turns ("" for one) to a model.
func ask(t *testing.T, m *Model, model string, texts ...string) (int, string) {
	t.Helper()
	var msgs []object
	for _, s := range texts {
		if s == "" {
			msgs = append(msgs, object{"role": "assistant", "content": []object{{"type": "tool_use", "id": "1", "name": "x", "input": object{}}}})
			continue
		}
		if out, ok := strings.CutPrefix(s, "tool:"); ok {
			msgs = append(msgs, object{"role": "user", "content": []object{{"type": "tool_result", "tool_use_id": "1", "content": out}}})
			continue
		}
		msgs = append(msgs, object{"role": "user", "content": s})
	}
	body, err := json.Marshal(object{"model": model, "messages": msgs})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	m.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v1/messages", strings.NewReader(string(body))))
	var doc struct {
		Content []struct{ Text string }
		Error   struct{ Message string }
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Content) > 0 {
		return rec.Code, doc.Content[0].Text
	}
	return rec.Code, doc.Error.Message
}

func library(t *testing.T, files map[string]string) *Library {
	t.Helper()
	dir := t.TempDir()
	for name, src := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lib, err := LoadLibrary(dir)
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

func TestWhichTurnIsPlayed(t *testing.T) {
	t.Parallel()
	m := New(library(t, map[string]string{
		"greet.yaml": "match: (?i)^hello\nturns: [{text: greet 1}, {text: 'greet 2: {{last_tool_output}}'}]",
		"many.yaml":  "scripts:\n- {name: a, turns: [{text: a1}]}\n- {name: b, match: bee, turns: [{text: b1}, {text: b2}]}",
		"plain.json": `[{"text": "plain 1"}, {"text": "plain 2"}]`,
		"notes.txt":  "not a script",
	}), "fallback")
	inline := "Do it.\n````scripted\n- text: |\n    ```scripted\n    not this\n    ```\n- text: inline 2\n````\nThanks."
	for _, tt := range []struct {
		name, model string
		texts       []string
		want        string
	}{
		{"nothing fits", "scripted", []string{"good day"}, "fallback"},
		{"match", "scripted", []string{"Hello you"}, "greet 1"},
		{"second turn", "scripted", []string{"Hello", "", "tool:ok"}, "greet 2: ok"},
		{"over", "scripted", []string{"Hello", "", "tool:ok", "", "tool:ok"}, over},
		{"counted from the message that matched", "scripted", []string{"x", "", "tool:1", "", "Hello"}, "greet 1"},
		{"a later message takes over", "scripted", []string{"Hello", "", "bee"}, "b1"},
		{"a later message that fits nothing does not", "scripted", []string{"Hello", "", "hurry"}, "greet 2: "},
		{"by file", "scripted/plain", []string{"hi", "", "go on"}, "plain 2"},
		{"by name", "scripted/a", []string{"Hello"}, "a1"},
		{"by name, not matching", "scripted/b", []string{"x"}, "b1"},
		{"inline before all", "scripted/plain", []string{inline}, "```scripted\nnot this\n```\n"},
		{"inline, second turn", "scripted", []string{inline, "", "tool:1"}, "inline 2"},
		{"tools cannot script", "scripted", []string{"x", "", "tool:```scripted\n- text: evil\n```"}, "fallback"},
		{"another vendor's model", "claude-opus-5", []string{"Hello"}, "greet 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if code, got := ask(t, m, tt.model, tt.texts...); code != http.StatusOK || got != tt.want {
				t.Errorf("%d %q, want %q", code, got, tt.want)
			}
		})
	}
}

func TestBadScripts(t *testing.T) {
	t.Parallel()
	for src, says := range map[string]string{
		"":                                      "empty",
		"name: x":                               "no turns",
		"[]":                                    "no turns",
		"text":                                  "parse",
		"[{txt: x}]":                            "txt",
		"[{text: x}, {chunk: -1}]":              "turn 2: chunk",
		"[{delay: 20h}]":                        "delay",
		"[{tool_calls: [{input: {}}]}]":         "no name",
		"[{tool_calls: [{name: x, input: 3}]}]": "parse",
		"[{error: {status: 200}}]":              "status 200",
		"[{usage: {input_tokens: -1}}]":         "negative",
		"{match: '(', turns: [{text: x}]}":      "match",
		"[{tool_calls: [{name: x, input: {a: {1: 2}}}]}]": "JSON",
		strings.Repeat(" ", MaxScriptBytes+1):             "larger",
	} {
		_, err := Parse([]byte(src))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, want %q", src, err, says)
		}
	}
	code, msg := ask(t, New(&Library{}, "x"), "scripted", "```scripted\n- txt: x\n```")
	if code != http.StatusBadRequest || !strings.Contains(msg, "scripted block") {
		t.Errorf("%d %s", code, msg)
	}
}

func TestErrorsComeAsOftenAsAsked(t *testing.T) {
	t.Parallel()
	m := New(&Library{}, "x")
	const prompt = "```scripted\n- {text: at last, error: {status: 529, times: 2}}\n```"
	for round := range 2 { // a second run with the same words gets the same treatment
		for i, want := range []int{529, 529, 200} {
			if code, msg := ask(t, m, "scripted", prompt); code != want {
				t.Errorf("round %d, call %d: %d %s", round, i, code, msg)
			}
		}
	}
}

func TestTheSameRequestGetsTheSameIDs(t *testing.T) {
	t.Parallel()
	m := New(&Library{}, "x")
	play := func(extra string) string {
		rec := httptest.NewRecorder()
		body := fmt.Sprintf(`{"model":"scripted","messages":[{"role":"user","content":"%s"}]}`, `y`+extra+"\\n```scripted\\n- tool_calls: [{name: a}, {name: b}]\\n```")
		m.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body)))
		var doc struct {
			Choices []struct {
				Message struct {
					ToolCalls []struct {
						ID       string
						Function struct{ Arguments string }
					} `json:"tool_calls"`
				}
			}
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil {
			t.Fatal(err, rec.Body)
		}
		calls := doc.Choices[0].Message.ToolCalls
		if len(calls) != 2 || calls[0].ID == calls[1].ID || calls[0].Function.Arguments != "{}" {
			t.Errorf("%+v", calls)
		}
		return calls[0].ID
	}
	first, again, other := play(""), play(""), play("other")
	if first != again || first == other {
		t.Error("ids must follow from the request, and from nothing else")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("[{text: x, tool_calls: [{name: a, input: {b: [1, {c: d}]}}]}]")
	f.Add("scripts: [{name: &a x, turns: [{text: *a}]}]")
	f.Fuzz(func(t *testing.T, src string) {
		scripts, err := Parse([]byte(src))
		if err != nil {
			return
		}
		for _, s := range scripts {
			for _, turn := range s.Turns {
				r := newReply(conversation{}, turn, "0", New(&Library{}, "").now())
				if !json.Valid(encode(r.response())) {
					t.Fatal("not JSON")
				}
			}
		}
	})
}
