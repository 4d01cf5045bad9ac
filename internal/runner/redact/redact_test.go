package redact_test

import (
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
	if got := redact.New("short", "").String("short"); got != "short" {
		t.Errorf("a short value was redacted: %q", got)
	}
}
