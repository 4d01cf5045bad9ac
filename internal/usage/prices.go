package usage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// Rate is what tokens of one model cost, in dollars per million. A rate of 0 for a kind of token
// means that its price is not known: a call that used such tokens is unpriced.
type Rate struct {
	Input          float64 `json:"input"`
	Output         float64 `json:"output"`
	CacheRead      float64 `json:"cache_read,omitempty"`
	CacheWrite     float64 `json:"cache_write,omitempty"`
	CacheWriteLong float64 `json:"cache_write_long,omitempty"`
}

// Price is the price of a model family: every model whose id is Model, alone or followed by the mark
// of a snapshot ("-20250929", "-2025-08-07", "-latest", "-001", "-preview").
type Price struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
	Rate
	// Long replaces Rate for the whole call when its prompt, cached parts included, has more than
	// LongAbove tokens.
	LongAbove int64 `json:"long_above,omitempty"`
	Long      *Rate `json:"long,omitempty"`
	// Until ends the validity of a price; a later entry for the same model then holds. Zero: open.
	Until time.Time `json:"until,omitzero"`
}

// Prices finds the price of a call. It is safe for concurrent use.
type Prices struct {
	entries []Price // longest model first; among equals, those that end soonest
}

// NewPrices makes a table of the built-in prices, with overrides taking the place of every built-in
// price for the same provider and model.
func NewPrices(overrides ...Price) *Prices {
	all := slices.Clone(overrides)
	for _, p := range builtin() {
		replaced := slices.ContainsFunc(overrides, func(o Price) bool {
			return o.Provider == p.Provider && o.Model == p.Model
		})
		if !replaced {
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b Price) int {
		if d := len(b.Model) - len(a.Model); d != 0 {
			return d
		}
		return endOf(a).Compare(endOf(b))
	})
	return &Prices{entries: all}
}

// maxPriceFile bounds a price file; a thousand models need a tenth of it.
const maxPriceFile = 4 << 20

// ReadPrices reads overrides from a JSON array of Price.
func ReadPrices(r io.Reader) ([]Price, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxPriceFile+1))
	if err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	if len(raw) > maxPriceFile {
		return nil, fmt.Errorf("read prices: larger than %d bytes", maxPriceFile)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var out []Price
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	for i, p := range out {
		if err := p.validate(); err != nil {
			return nil, fmt.Errorf("read prices: entry %d (%s %s): %w", i, p.Provider, p.Model, err)
		}
	}
	return out, nil
}

func (p Price) validate() error {
	if p.Provider == "" || p.Model == "" {
		return errors.New("provider and model are required")
	}
	if (p.Long == nil) != (p.LongAbove == 0) || p.LongAbove < 0 {
		return errors.New("long and long_above go together")
	}
	rates := []Rate{p.Rate}
	if p.Long != nil {
		rates = append(rates, *p.Long)
	}
	for _, r := range rates {
		for _, v := range []float64{r.Input, r.Output, r.CacheRead, r.CacheWrite, r.CacheWriteLong} {
			if v < 0 || v > 1e6 {
				return fmt.Errorf("rate %v is out of range", v)
			}
		}
	}
	return nil
}

// Price returns what a call cost at the given time. The answer is false when the price is not known.
// Scripted answers and models on one's own machines cost nothing, which is known.
func (ps *Prices) Price(provider, model string, t Tokens, at time.Time) (Cost, bool) {
	if provider == ProviderScripted || provider == ProviderLocal {
		return Cost{}, true
	}
	for _, p := range ps.entries {
		if p.Provider == provider && covers(p.Model, model) && at.Before(endOf(p)) {
			return p.cost(t)
		}
	}
	return Cost{}, t == Tokens{}
}

func (p Price) cost(t Tokens) (Cost, bool) {
	r := p.Rate
	if p.Long != nil && t.Input+t.CacheRead+t.CacheWrite > p.LongAbove {
		r = *p.Long
	}
	short := t.CacheWrite - t.CacheWriteLong
	for _, k := range []struct {
		n    int64
		rate float64
	}{{t.Input, r.Input}, {t.Output, r.Output}, {t.CacheRead, r.CacheRead}, {short, r.CacheWrite}, {t.CacheWriteLong, r.CacheWriteLong}} {
		if k.n > 0 && k.rate == 0 {
			return Cost{}, false
		}
	}
	return Cost{
		Input:      dollars(t.Input, r.Input),
		Output:     dollars(t.Output, r.Output),
		CacheRead:  dollars(t.CacheRead, r.CacheRead),
		CacheWrite: dollars(short, r.CacheWrite) + dollars(t.CacheWriteLong, r.CacheWriteLong),
	}, true
}

func dollars(n int64, perMillion float64) float64 { return float64(n) * perMillion / 1e6 }

func endOf(p Price) time.Time {
	if p.Until.IsZero() {
		return time.Unix(math.MaxInt32, 0)
	}
	return p.Until
}

// covers tells whether family names model itself or a snapshot of it. A plain prefix is not enough:
// "gpt-5" must not price "gpt-5-pro", which costs twelve times as much.
func covers(family, model string) bool {
	rest, ok := strings.CutPrefix(model, family)
	if !ok {
		return false
	}
	rest = strings.TrimPrefix(rest, "-preview")
	rest = strings.TrimPrefix(rest, "-exp")
	if rest == "" || rest == "-latest" {
		return true
	}
	digits, ok := strings.CutPrefix(rest, "-")
	if !ok || len(digits) < 3 { // the "-5" of "claude-opus-4-5" names another model, not a snapshot
		return false
	}
	return strings.Trim(digits, "0123456789-") == ""
}
