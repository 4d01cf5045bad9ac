package usage

import "time"

// The providers a call may be made to, as stored in the ledger.
const (
	ProviderAnthropic = "anthropic"
	ProviderOpenAI    = "openai"
	ProviderGemini    = "gemini"
	ProviderLocal     = "local"
	ProviderScripted  = "scripted"
)

// builtin is the vendors' published price for standard processing, as of 2026-11-20, in dollars per
// million tokens. Discounts for batches and surcharges for faster or regional processing are not in
// it: the gateway records such calls as unpriced. An operator overrides it with a file of prices.
func builtin() []Price {
	promoEnd := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	return []Price{
		claude("claude-fable-5-1", 10, 50, 0.25),
		claude("claude-mythos-5-1", 10, 50, 0.25),
		claude("claude-fable-5", 10, 50, 1),
		claude("claude-mythos-5", 10, 50, 1),
		claude("claude-opus-5-5", 4, 20, 0.20),
		claude("claude-opus-5", 5, 25, 0.50),
		claude("claude-opus-4-8", 5, 25, 0.50),
		claude("claude-opus-4-7", 5, 25, 0.50),
		claude("claude-opus-4-6", 5, 25, 0.50),
		claude("claude-opus-4-5", 5, 25, 0.50),
		claude("claude-opus-4-1", 15, 75, 1.50),
		claude("claude-opus-4", 15, 75, 1.50),
		claude("claude-sonnet-5-5", 2, 10, 0.10),
		claude("claude-sonnet-5", 2, 10, 0.20),
		claude("claude-sonnet-4-6", 3, 15, 0.30),
		claude("claude-sonnet-4-5", 3, 15, 0.30).above(200_000, Rate{6, 22.5, 0.60, 7.5, 12}),
		claude("claude-sonnet-4", 3, 15, 0.30).above(200_000, Rate{6, 22.5, 0.60, 7.5, 12}),
		claude("claude-3-7-sonnet", 3, 15, 0.30),
		claude("claude-haiku-5-5", 0.10, 0.50, 0.01).above(100_000, Rate{0.50, 2.50, 0.05, 0.625, 1}),
		claude("claude-haiku-4-5", 1, 5, 0.10),
		claude("claude-3-5-haiku", 0.80, 4, 0.08),

		gpt("gpt-6-astra", 10, 50, 1).long272k(),
		gpt("gpt-6.1-sol", 2, 10, 0.10).writes(2.5, 0).long272k(),
		gpt("gpt-6.1-terra", 1, 5, 0.05).writes(1.25, 2.5).long272k(),
		gpt("gpt-6-sol", 2, 10, 0.20).writes(2.5, 0).long272k(),
		gpt("gpt-6-luna", 0.10, 0.50, 0.01).writes(0.125, 0).long272k(),
		gpt("gpt-5.6-sol", 4, 20, 0.40).long272k(),
		gpt("gpt-5.6", 4, 20, 0.40).long272k(),
		gpt("gpt-5.6-terra", 2, 12, 0.20).long272k(),
		gpt("gpt-5.6-luna", 0.20, 1.20, 0.02).long272k(),
		gpt("gpt-5.5", 5, 30, 0.50).long272k(),
		gpt("gpt-5.4", 2.5, 15, 0.25).long272k(),
		gpt("gpt-5.4-mini", 0.75, 4.5, 0.075),
		gpt("gpt-5.4-nano", 0.20, 1.25, 0.02),
		gpt("gpt-5.3-codex", 1.75, 14, 0.175),
		gpt("gpt-5.2", 1.75, 14, 0.175),
		gpt("gpt-5.2-codex", 1.75, 14, 0.175),
		gpt("gpt-5.2-pro", 21, 168, 0),
		gpt("gpt-5.1", 1.25, 10, 0.125),
		gpt("gpt-5.1-codex", 1.25, 10, 0.125),
		gpt("gpt-5.1-codex-max", 1.25, 10, 0.125),
		gpt("gpt-5.1-codex-mini", 0.25, 2, 0.025),
		gpt("gpt-5", 1.25, 10, 0.125),
		gpt("gpt-5-codex", 1.25, 10, 0.125),
		gpt("gpt-5-mini", 0.25, 2, 0.025),
		gpt("gpt-5-nano", 0.05, 0.40, 0.005),
		gpt("gpt-5-pro", 15, 120, 0),
		gpt("gpt-4.1", 2, 8, 0.50),
		gpt("gpt-4.1-mini", 0.40, 1.60, 0.10),
		gpt("gpt-4.1-nano", 0.10, 0.40, 0.025),
		gpt("gpt-4o", 2.5, 10, 1.25),
		gpt("gpt-4o-mini", 0.15, 0.60, 0.075),
		gpt("o3", 2, 8, 0.50),
		gpt("o4-mini", 1.10, 4.40, 0.275),

		gemini("gemini-3.8-flash", 0.75, 3.75, 0.075).until(promoEnd),
		gemini("gemini-3.8-flash", 1.50, 7.50, 0.15),
		gemini("gemini-3.6-flash", 0.75, 3.75, 0.075).until(promoEnd),
		gemini("gemini-3.6-flash", 1.50, 7.50, 0.15),
		gemini("gemini-3.1-pro", 2, 12, 0.20).above(200_000, Rate{Input: 4, Output: 18, CacheRead: 0.40}),
		gemini("gemini-3-pro", 2, 12, 0.20).above(200_000, Rate{Input: 4, Output: 18, CacheRead: 0.40}),
		gemini("gemini-3-flash", 0.50, 3, 0.05),
		gemini("gemini-3.1-flash-lite", 0.25, 1.50, 0.025),
		gemini("gemini-2.5-pro", 1.25, 10, 0.125).above(200_000, Rate{Input: 2.5, Output: 15, CacheRead: 0.25}),
		gemini("gemini-2.5-flash", 0.30, 2.50, 0.03),
		gemini("gemini-2.5-flash-lite", 0.10, 0.40, 0.01),
	}
}

// claude follows the vendor's rule for cache writes: five minutes cost 1.25 times the input, an hour
// twice the input.
func claude(model string, in, out, read float64) Price {
	return Price{Provider: ProviderAnthropic, Model: model, Rate: Rate{in, out, read, in * 1.25, in * 2}}
}

func gpt(model string, in, out, read float64) Price {
	return Price{Provider: ProviderOpenAI, Model: model, Rate: Rate{Input: in, Output: out, CacheRead: read}}
}

func gemini(model string, in, out, read float64) Price {
	return Price{Provider: ProviderGemini, Model: model, Rate: Rate{Input: in, Output: out, CacheRead: read}}
}

func (p Price) above(tokens int64, r Rate) Price {
	p.LongAbove, p.Long = tokens, &r
	return p
}

// long272k is OpenAI's rule for long prompts: input and cache at twice, output at one and a half
// times the rate.
func (p Price) long272k() Price {
	r := p.Rate
	return p.above(272_000, Rate{r.Input * 2, r.Output * 1.5, r.CacheRead * 2, r.CacheWrite * 2, r.CacheWriteLong * 2})
}

func (p Price) writes(short, long float64) Price {
	p.CacheWrite, p.CacheWriteLong = short, long
	return p
}

func (p Price) until(t time.Time) Price {
	p.Until = t
	return p
}
