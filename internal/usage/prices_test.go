package usage

import (
	"math"
	"strings"
	"testing"
	"time"
)

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestPrice(t *testing.T) {
	t.Parallel()
	ps := NewPrices()
	now := day("2026-11-20")
	for _, tt := range []struct {
		name, provider, model string
		at                    time.Time
		tokens                Tokens
		want                  float64
		unpriced              bool
	}{
		{name: "all kinds", provider: "anthropic", model: "claude-sonnet-5-5",
			tokens: Tokens{Input: 1e6, Output: 1e6, CacheRead: 1e6, CacheWrite: 1e6}, want: 2 + 10 + 0.1 + 2.5},
		{name: "long cache writes cost more", provider: "anthropic", model: "claude-opus-5-5",
			tokens: Tokens{CacheWrite: 3e6, CacheWriteLong: 1e6}, want: 2*5 + 8},
		{name: "snapshot of a family", provider: "anthropic", model: "claude-sonnet-4-20250514", tokens: Tokens{Input: 1000}, want: 0.003},
		{name: "longer family wins", provider: "anthropic", model: "claude-opus-4-5-20251101", tokens: Tokens{Input: 1e6}, want: 5},
		{name: "long prompt", provider: "anthropic", model: "claude-haiku-5-5", tokens: Tokens{Input: 60_000, CacheRead: 60_000}, want: 60_000*0.5e-6 + 60_000*0.05e-6},
		{name: "at the edge of a long prompt", provider: "anthropic", model: "claude-haiku-5-5", tokens: Tokens{Input: 100_000}, want: 0.01},
		{name: "dashed date", provider: "openai", model: "gpt-5-2025-08-07", tokens: Tokens{Input: 1e5}, want: 0.125},
		{name: "sibling is not a snapshot", provider: "openai", model: "gpt-5-turbo", tokens: Tokens{Input: 1}, unpriced: true},
		{name: "newer version is not a snapshot", provider: "anthropic", model: "claude-opus-5-7", tokens: Tokens{Input: 1}, unpriced: true},
		{name: "cache write of unknown price", provider: "openai", model: "gpt-5.6-sol", tokens: Tokens{Input: 5, CacheWrite: 1}, unpriced: true},
		{name: "preview", provider: "gemini", model: "gemini-3.1-pro-preview", tokens: Tokens{Output: 1e6}, want: 12},
		{name: "promotion", provider: "gemini", model: "gemini-3.8-flash", tokens: Tokens{Input: 1e6}, want: 0.75},
		{name: "after the promotion", provider: "gemini", model: "gemini-3.8-flash", at: day("2027-01-01"), tokens: Tokens{Input: 1e6}, want: 1.5},
		{name: "other vendor's name", provider: "openai", model: "claude-opus-5", tokens: Tokens{Input: 1}, unpriced: true},
		{name: "scripted", provider: "scripted", model: "scripted/demo", tokens: Tokens{Input: 1e9}},
		{name: "local", provider: "local", model: "qwen3", tokens: Tokens{Input: 1e9}},
		{name: "nothing used costs nothing", provider: "openai", model: "unheard-of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.at.IsZero() {
				tt.at = now
			}
			c, ok := ps.Price(tt.provider, tt.model, tt.tokens, tt.at)
			if ok == tt.unpriced {
				t.Fatalf("priced = %v, want %v", ok, !tt.unpriced)
			}
			if math.Abs(c.Total()-tt.want) > 1e-9 {
				t.Errorf("cost = %v, want %v", c.Total(), tt.want)
			}
		})
	}
}

func TestEveryBuiltinPriceFindsItself(t *testing.T) {
	t.Parallel()
	ps := NewPrices()
	for _, p := range builtin() {
		if err := p.validate(); err != nil {
			t.Errorf("%s: %v", p.Model, err)
		}
		at := day("2026-11-20")
		if p.Until.IsZero() {
			at = day("2027-06-01")
		}
		c, ok := ps.Price(p.Provider, p.Model, Tokens{Input: 1000, Output: 1000}, at)
		if want, _ := p.cost(Tokens{Input: 1000, Output: 1000}); !ok || c != want {
			t.Errorf("%s costs %v, %v; its own entry says %v", p.Model, c, ok, want)
		}
	}
}

func TestOverride(t *testing.T) {
	t.Parallel()
	over, err := ReadPrices(strings.NewReader(`[
		{"provider":"gemini","model":"gemini-3.8-flash","input":3,"output":4},
		{"provider":"openai","model":"my-model","input":1,"output":2,"long_above":10,"long":{"input":5,"output":6}}]`))
	if err != nil {
		t.Fatal(err)
	}
	ps := NewPrices(over...)
	for model, want := range map[string]float64{"my-model": 5} {
		if c, ok := ps.Price("openai", model, Tokens{Input: 1e6}, day("2026-11-20")); !ok || c.Total() != want {
			t.Errorf("%s costs %v, %v; want %v", model, c, ok, want)
		}
	}
	if c, _ := ps.Price("gemini", "gemini-3.8-flash", Tokens{Input: 1e6}, day("2026-11-20")); c.Input != 3 {
		t.Errorf("an override must replace every built-in price of the model, got %v", c)
	}
}

func TestReadPricesRefuses(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"not json":          `nope`,
		"unknown field":     `[{"provider":"a","model":"b","inptu":1}]`,
		"no model":          `[{"provider":"a"}]`,
		"negative":          `[{"provider":"a","model":"b","input":-1}]`,
		"long without edge": `[{"provider":"a","model":"b","long":{"input":1}}]`,
		"too large":         `[` + strings.Repeat(" ", maxPriceFile) + `]`,
	} {
		if _, err := ReadPrices(strings.NewReader(in)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
