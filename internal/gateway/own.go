package gateway

import (
	"maps"
	"net"
	"net/http"
	"time"

	"github.com/cadrehq/cadre/internal/egress"
	"github.com/cadrehq/cadre/internal/usage"
)

// OwnKey is a vendor's key that a run brings along: its calls to that vendor are paid with it.
type OwnKey struct {
	Provider string // of package usage
	Vendor
}

// with is the registry of a run that brings its own keys along.
func (r *registry) with(own map[string]*provider) *registry {
	if len(own) == 0 {
		return r
	}
	merged := *r
	merged.providers = maps.Clone(r.providers)
	maps.Copy(merged.providers, own)
	return &merged
}

// promised stand for keys that a run will bring along, to find out which models it may use.
func (g *Gateway) promised(vendors []string) map[string]*provider {
	own := map[string]*provider{}
	for _, name := range vendors {
		if p := g.own(OwnKey{Provider: name}); p != nil {
			own[name] = p
		}
	}
	return own
}

// brought are the providers of the keys that a caller brings along.
func (g *Gateway) brought(c Caller) map[string]*provider {
	own := map[string]*provider{}
	for _, k := range c.Own {
		if p := g.own(k); p != nil {
			own[k.Provider] = p
		}
	}
	return own
}

// own is a vendor under somebody's own key; nil for one that takes none. An endpoint of their own is
// reached by a transport that keeps away from our network: whoever may store a key could look around
// there otherwise.
func (g *Gateway) own(k OwnKey) *provider {
	c := Config{Transport: g.cfg.Transport}
	switch k.Provider {
	case usage.ProviderAnthropic:
		c.Anthropic = Vendor{Key: k.Key, BaseURL: g.cfg.Anthropic.BaseURL}
		return anthropic(c)
	case usage.ProviderOpenAI:
		c.OpenAI = Vendor{Key: k.Key, BaseURL: g.cfg.OpenAI.BaseURL}
		if k.BaseURL != "" {
			c.OpenAI.BaseURL = k.BaseURL
			c.Transport = g.outside
		}
		return openAI(c)
	}
	return nil
}

// newOutside makes the transport to endpoints that other people than the operator chose.
func newOutside(allowed egress.Policy) *http.Transport {
	d := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second, Control: allowed.Control}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext, t.Proxy, t.DisableCompression = d.DialContext, nil, true
	return t
}
