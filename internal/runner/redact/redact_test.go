package redact_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cadrehq/cadre/internal/runner/redact"
)

// However a text is cut into pieces, no secret survives and nothing else is changed.
func TestStreamEqualsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[ab."\\]{8,12}`).Draw(t, "secret")
		r := redact.New(secret)
		var text strings.Builder
		for range rapid.IntRange(0, 6).Draw(t, "parts") {
			text.WriteString(rapid.StringMatching(`[abc]{0,10}`).Draw(t, "filler"))
			if rapid.Bool().Draw(t, "with") {
				text.WriteString(secret)
			}
		}
		s := r.Stream()
		var got strings.Builder
		for rest := text.String(); rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			got.WriteString(s.Next(rest[:n]))
			rest = rest[n:]
		}
		got.WriteString(s.Rest())
		if strings.Contains(got.String(), secret) {
			t.Fatalf("%q still has %q", got.String(), secret)
		}
		if !strings.Contains(text.String(), secret) && !strings.Contains(got.String(), redact.Mark) && got.String() != text.String() {
			t.Fatalf("%q became %q", text.String(), got.String())
		}
	})
}

func TestForms(t *testing.T) {
	r := redact.New(`to"ken/+value 1`)
	for _, s := range []string{`to"ken/+value 1`, `{"k":"to\"ken/+value 1"}`, "?k=to%22ken%2F%2Bvalue+1", "dG8ia2VuLyt2YWx1ZSAx"} {
		if got := r.String(s); !strings.Contains(got, redact.Mark) {
			t.Errorf("%q was not redacted: %q", s, got)
		}
	}
	later := redact.New()
	later.Add("learned-later")
	if got := later.String("learned-later"); got != redact.Mark {
		t.Errorf("what was added shows as %q", got)
	}
	if got := redact.New("short", "").String("short"); got != "short" {
		t.Errorf("a short value was redacted: %q", got)
	}
}

// TestEncodings: a value is found in base64 wherever in the text it begins, in hex, in JSON within JSON,
// and each line of a file by itself.
func TestEncodings(t *testing.T) {
	t.Parallel()
	const key = "-----BEGIN KEY-----\nFirstLineOfTheKey0123456789\nSecondLineOfTheKey012345678\n-----END KEY-----\n"
	for _, secret := range []string{`tök"en<&>/+12345`, key, strings.Repeat("long-value-", 20)} {
		r := redact.New(secret)
		for before := range 3 {
			for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
				text := e.EncodeToString([]byte("abc"[:before] + secret + "z"))
				// What is left are the characters that the neighbours have a part in.
				if rest := strings.ReplaceAll(r.String(text), redact.Mark, ""); len(rest) > 12 {
					t.Errorf("%q in base64 after %d bytes leaves %q", secret, before, rest)
				}
			}
		}
		once, _ := json.Marshal(secret)
		twice, _ := json.Marshal(string(once))
		for what, text := range map[string]string{
			"hex": hex.EncodeToString([]byte(secret)), "JSON in JSON": string(twice), "URL path": url.PathEscape(secret),
			"small URL escapes": strings.ToLower(url.QueryEscape(strings.ToLower(secret))),
		} {
			if what == "small URL escapes" {
				r := redact.New(strings.ToLower(secret))
				if got := r.String(text); !strings.Contains(got, redact.Mark) {
					t.Errorf("%s: %q", what, got)
				}
			} else if got := r.String(text); !strings.Contains(got, redact.Mark) || strings.Contains(got, "4b6579") {
				t.Errorf("%s: %q", what, got)
			}
		}
	}
	var numbered strings.Builder
	for i, line := range strings.Split(key, "\n") {
		fmt.Fprintf(&numbered, "%4d\t%s\n", i, line)
	}
	if got := redact.New(key).String(numbered.String()); strings.Contains(got, "OfTheKey") {
		t.Errorf("with numbers: %q", got)
	}
}
