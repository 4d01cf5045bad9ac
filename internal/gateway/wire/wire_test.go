package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
)

func split(t testing.TB, stream string, size int) (events []string, rest string) {
	var s Splitter
	for len(stream) > 0 {
		n := min(size, len(stream))
		if _, err := s.Write([]byte(stream[:n])); err != nil {
			t.Fatal(err)
		}
		stream = stream[n:]
		for ev := s.Next(); ev != nil; ev = s.Next() {
			events = append(events, string(ev))
		}
	}
	return events, string(s.Rest())
}

func TestSplitterCutsAtAnySize(t *testing.T) {
	t.Parallel()
	// A doubled lone "\r" ends an event too; what follows belongs to the next one.
	want := []string{
		"event: a\ndata: 1\n\n", ": comment\n\n", "data: x\r\ndata: y\r\n\r\n", "data: cr\r\r", "xdata: [DONE]\n\n",
	}
	stream := strings.Join(want, "") + "data: unfinished\n"
	for size := 1; size <= len(stream); size++ {
		got, rest := split(t, stream, size)
		if strings.Join(got, "|") != strings.Join(want, "|") || rest != "data: unfinished\n" {
			t.Fatalf("pieces of %d: %q, rest %q", size, got, rest)
		}
	}
}

func TestSplitterRefusesEndlessEvent(t *testing.T) {
	t.Parallel()
	var s Splitter
	piece := bytes.Repeat([]byte("x"), 1<<20)
	for range MaxEvent/len(piece) + 1 {
		if _, err := s.Write(piece); err != nil {
			if !errors.Is(err, ErrEventTooLarge) {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("an event without end was kept")
}

func TestData(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"event: x\ndata: {}\n\n":       "{}",
		"data:{}\r\n\r\n":              "{}",
		"data: a\ndata: b\n\n":         "a\nb",
		": ping\n\n":                   "",
		"data: [DONE]\n\n":             "[DONE]",
		"id: 1\ndata: x\nretry: 5\n\n": "x",
	} {
		if got := string(Data([]byte(in))); got != want {
			t.Errorf("Data(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestErrorsHaveTheVendorsShape(t *testing.T) {
	t.Parallel()
	e := Error{Status: http.StatusForbidden, Code: "budget_exceeded", Message: `the "team" budget <spent>`}
	var anthropic struct {
		Type  string `json:"type"`
		Error struct{ Type, Message, Code string }
	}
	if err := json.Unmarshal(e.Body(api.ModelWireAnthropicMessages), &anthropic); err != nil {
		t.Fatal(err)
	}
	if anthropic.Type != "error" || anthropic.Error.Type != "permission_error" || anthropic.Error.Message != e.Message || anthropic.Error.Code != e.Code {
		t.Errorf("anthropic: %+v", anthropic)
	}
	var openai struct {
		Error struct{ Type, Message, Code string }
	}
	if err := json.Unmarshal(e.Body(api.ModelWireOpenaiResponses), &openai); err != nil {
		t.Fatal(err)
	}
	if openai.Error.Message != e.Message || openai.Error.Code != e.Code {
		t.Errorf("openai: %+v", openai)
	}
	for _, w := range []api.ModelWire{api.ModelWireAnthropicMessages, api.ModelWireOpenaiResponses, api.ModelWireOpenaiChat} {
		ev, rest := split(t, string(e.Event(w)), 3)
		if len(ev) != 1 || rest != "" || !json.Valid(Data([]byte(ev[0]))) {
			t.Errorf("%s: not one event: %q", w, e.Event(w))
		}
	}
}

func FuzzSplitter(f *testing.F) {
	f.Add("event: a\ndata: 1\n\ndata: 2\r\n\r\n", 3)
	f.Add("\n\n\r\r\r\n\n", 1)
	f.Fuzz(func(t *testing.T, stream string, size int) {
		size = 1 + abs(size)%64
		events, rest := split(t, stream, size)
		if strings.Join(events, "")+rest != stream {
			t.Fatalf("bytes changed: %q %q", events, rest)
		}
		whole, _ := split(t, stream, len(stream)+1)
		if strings.Join(events, "|") != strings.Join(whole, "|") {
			t.Fatalf("the cut depends on the pieces: %q, %q", events, whole)
		}
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}
