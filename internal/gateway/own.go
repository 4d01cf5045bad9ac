package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/cadrehq/cadre/internal/usage"
)

// OwnKey is a vendor's key that a run brings along: its calls to that vendor are paid with it.
type OwnKey struct {
	Provider string // of package usage
	Vendor
}

// errPrivate refuses an endpoint of somebody's own within our network.
var errPrivate = errors.New("the endpoint of this key is not on the public internet (--allow-private-model-urls of the server allows it)")

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
func newOutside(private bool) *http.Transport {
	d := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	if !private {
		d.Control = func(_, address string, _ syscall.RawConn) error { return checkOutside(address) }
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext, t.Proxy, t.DisableCompression = d.DialContext, nil, true
	return t
}

// checkOutside refuses an address, as it is about to be dialled, that is not on the public internet. It
// stands behind the resolver: no name leads past it.
func checkOutside(address string) error {
	host, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %s: %w", address, err)
	}
	ip := host.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || shared.Contains(ip) || translated.Contains(ip) {
		return errPrivate
	}
	return nil
}

// Addresses that look public and are not: those of carriers' networks, and IPv4 ones in IPv6.
var (
	shared     = netip.MustParsePrefix("100.64.0.0/10")
	translated = netip.MustParsePrefix("64:ff9b::/96")
)
