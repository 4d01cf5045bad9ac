package session_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/session"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestCheckMakesEntriesHarmless(t *testing.T) {
	limits := session.Limits{}.WithDefaults()
	cases := map[string]struct{ in, want string }{
		"plain":             {`{"text":"hi"}`, `{"text":"hi"}`},
		"white space":       {"{ \"text\" :\n\t\"hi\" }", `{"text":"hi"}`},
		"invalid UTF-8":     {"{\"text\":\"a\xff\xfeb\"}", `{"text":"a` + "\uFFFD" + `b"}`},
		"escaped NUL":       {`{"text":"a\u0000b"}`, `{"text":"a` + "\uFFFD" + `b"}`},
		"NUL in a key":      {`{"te\u0000xt":1,"text":"x"}`, `{"text":"x","te` + "\uFFFD" + `xt":1}`},
		"half a pair":       {`{"text":"\ud800"}`, `{"text":"` + "\uFFFD" + `"}`},
		"a whole pair":      {`{"text":"\ud83d\ude00"}`, `{"text":"😀"}`},
		"terminal escapes":  {`{"text":"\u001b[31mred"}`, `{"text":"\u001b[31mred"}`},
		"markup":            {`{"text":"<script>"}`, `{"text":"<script>"}`},
		"unknown members":   {`{"text":"x","later":12345678901234567890}`, `{"text":"x","later":12345678901234567890}`},
		"numbers stay":      {`{"text":"\u0000","n":12345678901234567890}`, `{"n":12345678901234567890,"text":"` + "\uFFFD" + `"}`},
		"escaped backslash": {`{"text":"\\u0000"}`, `{"text":"\\u0000"}`},
		"deep":              {`{"text":"[","x":` + nested(5000) + `}`, `{"text":"[","x":` + strings.Repeat("[", 99) + `"[nested too deeply]"` + strings.Repeat("]", 99) + `}`},
		"as deep as may be": {`{"text":"\\\"[","x":` + nested(99) + `}`, `{"text":"\\\"[","x":` + nested(99) + `}`},
	}
	for name, c := range cases {
		e, _, err := limits.Check("entries[0]", api.NewEntry{Type: api.EntryTypeAgentMessage, Data: json.RawMessage(c.in)}, noon)
		if err != nil || string(e.Data) != c.want {
			t.Errorf("%s: %s, %v; want %s", name, e.Data, err, c.want)
		}
	}
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func TestCheckNamesTheMember(t *testing.T) {
	limits := session.Limits{}.WithDefaults()
	for in, want := range map[string]string{
		`{"text":7}`:             `entries[0].data.text: is not what an entry of type "agent_message" has there`,
		`{"text":{"a":[1e999]}}`: `entries[0].data.text: is not what an entry of type "agent_message" has there`,
		`[]`:                     `entries[0].data: must be a JSON object`,
	} {
		_, _, err := limits.Check("entries[0]", api.NewEntry{Type: api.EntryTypeAgentMessage, Data: json.RawMessage(in)}, noon)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

func TestCheckSetsUnbelievableTimes(t *testing.T) {
	for _, at := range []time.Time{{}, noon.Add(time.Hour), time.Unix(-5, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		e, _, err := session.Limits{}.WithDefaults().Check("e", api.NewEntry{Type: api.EntryTypePlan, Data: json.RawMessage(`{}`), CreatedAt: at}, noon)
		if err != nil || !e.CreatedAt.Equal(noon) {
			t.Errorf("%v became %v, %v", at, e.CreatedAt, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{`{}`, `{"text":"\ud800\u0000"}`, "{\"a\":\"\xff\"}", `[1]`, `{"text":`, "", `{"text":"` + strings.Repeat(`\u0000`, 50) + `"}`} {
		f.Add([]byte(s))
	}
	limits := session.Limits{EntryBytes: 200, BatchEntries: 1}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, decoded, err := limits.Check("e", api.NewEntry{Type: api.EntryTypeAgentMessage, Data: data}, noon)
		if err != nil {
			if api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		m, ok := decoded.(api.AgentMessage)
		if !ok || !utf8.Valid(e.Data) || !json.Valid(e.Data) || len(e.Data) > 200 || bytes.ContainsAny(e.Data, "\n\r") ||
			!utf8.ValidString(m.Text) || strings.ContainsRune(m.Text, 0) {
			t.Fatalf("%q became %q", data, e.Data)
		}
		again, _, err := limits.Check("e", e, noon)
		if err != nil || !bytes.Equal(again.Data, e.Data) {
			t.Fatalf("%q is not stable: %q, %v", e.Data, again.Data, err)
		}
	})
}
