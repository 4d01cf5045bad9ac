package run

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/cadrehq/cadre/api"
)

func TestISODuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "PT0S", 250 * time.Millisecond: "PT0.25S", 42*time.Second + 900*time.Millisecond: "PT42S", 150 * time.Second: "PT2M30S",
		2 * time.Minute: "PT2M", time.Hour: "PT1H", 25*time.Hour + time.Second: "PT25H1S",
	} {
		if got := isoDuration(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

func TestTitleOf(t *testing.T) {
	for prompt, want := range map[string]string{
		"Fix it.":                     "Fix it.",
		"\n \t\n  Fix\tit \n\nplease": "Fix it",
		"\x1b[31mred\x07":             "[31mred",
		"":                            "Untitled run",
		strings.Repeat("ab ", 60):     strings.TrimSpace(strings.Repeat("ab ", 27)[:79]) + "…",
		"```scripted\n- text: Hi\n```\nGreet them.":                       "Greet them.",
		"````scripted\n- text: |\n    ```\n    x\n    ```\n````\n\nGo on": "Go on",
		"~~~\npanic: nil map\n~~~\n":                                      "panic: nil map",
		"```scripted\n\n- text: Only this\n```":                           "text: Only this",
		"```\nnever closed":                                               "never closed",
		"```":                                                             "Untitled run",
		"# Fix the build\nIt is red.":                                     "Fix the build",
		"> 1. said\nso":                                                   "1. said",
		"---\n***\nMend it":                                               "Mend it",
		"-v is ignored":                                                   "-v is ignored",
		"- #12 again":                                                     "#12 again",
		"`go test` fails":                                                 "`go test` fails",
		"?!":                                                              "Untitled run",
		"直して":                                                             "直して",
		"🙏":                                                               "🙏",
	} {
		if got := titleOf(prompt, ""); got != want {
			t.Errorf("%q: %q, want %q", prompt, got, want)
		}
	}
	if got := titleOf("```\n```", "org/repo:review"); got != "org/repo:review" {
		t.Errorf("a skill's title: %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		title := titleOf(rapid.String().Draw(t, "prompt"), "")
		if title == "" || utf8.RuneCountInString(title) > maxTitle || checkWord("title", title, maxTitleBytes) != nil {
			t.Fatalf("title %q", title)
		}
	})
}

func TestClip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		limit := rapid.IntRange(0, 20).Draw(t, "limit")
		got := clip(s, limit)
		if len(got) > limit || checkText("x", got, limit) != nil || !strings.HasPrefix(clip(s, 1<<20), got) {
			t.Fatalf("%q of %q", got, s)
		}
	})
}

func TestConfigNamesWhatIsMissing(t *testing.T) {
	if _, err := NewService(Config{}); err == nil || !strings.Contains(err.Error(), "Store") || !strings.Contains(err.Error(), "Leases") {
		t.Errorf("an empty config: %v", err)
	}
}

func TestUsageOnTheWire(t *testing.T) {
	u := Totals{InputTokens: 1 << 40, OutputTokens: 1, InputUSD: 0.25, OutputUSD: 0.5, CacheReadUSD: 0.125, CacheWriteUSD: 0.125}.wire()
	want := api.RequestUsage{InferenceCost: 1, InferenceCostUsd: 1, TotalTokens: 1<<40 + 1, InferenceCostBreakdownUsd: api.InferenceCostBreakdownUsd{
		InputCostUsd: 0.25, OutputCostUsd: 0.5, InputCacheReadCostUsd: 0.125, InputCacheWriteCostUsd: 0.125,
	}}
	if u.InferenceCost != want.InferenceCost || u.TotalTokens != want.TotalTokens || u.InferenceCostBreakdownUsd != want.InferenceCostBreakdownUsd {
		t.Errorf("%+v", u)
	}
}
