package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/server"
	"github.com/cadrehq/cadre/internal/server/signin"
)

// oidcProvider is the name of the provider that flags describe.
const oidcProvider = "sso"

// signInFlags declare how people come in: one provider by flags, any number by a file.
func signInFlags(f flagger, c *server.Config) {
	f.text(&c.ProvidersFile, "oidc-file", "YAML `file` of providers that people sign in with (docs/people.md)")
	f.text(&c.Provider.Issuer, "oidc-issuer", "`URL` of a provider that people sign in with (OpenID Connect)")
	f.text(&c.Provider.ClientID, "oidc-client-id", "`id` of this server at the provider; its secret is CADRE_OIDC_CLIENT_SECRET")
	f.text(&c.Provider.Label, "oidc-name", "what people read on the provider's button (default SSO)")
	f.text(&c.Provider.Policy.Team, "oidc-team", "`team` in which people of --oidc-domains become viewers (default: only who is invited gets in)")
	f.fs.StringSliceVar(&c.Provider.Policy.Domains, "oidc-domains", nil, "`domains` whose addresses may sign in, with commas between (default: all)")
	f.env("oidc-domains", nil)
	f.fs.BoolVar(&c.NoPassword, "no-password-sign-in", false, "people sign in by provider or link only")
	f.env("no-password-sign-in", nil)
	f.fs.Var((*prefixes)(&c.Proxies), "trusted-proxies", "`networks` of proxies whose X-Forwarded-For counts, as 10.0.0.0/8, with commas between")
	f.env("trusted-proxies", nil)
}

// providers completes the providers of a server with what is in the file and the environment.
func providers(c *server.Config, getenv func(string) string) error {
	if p := c.Provider; p.Issuer != "" {
		if p.Policy.Team != "" {
			p.Policy.Role = identity.RoleViewer
		}
		p.Name, p.Label, p.ClientSecret = oidcProvider, firstNonEmpty(p.Label, "SSO"), getenv("CADRE_OIDC_CLIENT_SECRET")
		c.Providers = append(c.Providers, p)
	}
	if c.ProvidersFile == "" {
		return nil
	}
	list, err := signin.ReadProviders(c.ProvidersFile, getenv)
	c.Providers = append(c.Providers, list...)
	return err
}

// prefixes is a flag value of networks.
type prefixes []netip.Prefix

// String, Set and Type make prefixes a flag value.
func (p *prefixes) String() string { return "" }

// Set reads networks or single addresses.
func (p *prefixes) Set(s string) error {
	for one := range strings.SplitSeq(s, ",") {
		one = strings.TrimSpace(one)
		prefix, err := netip.ParsePrefix(one)
		if err != nil {
			addr, single := netip.ParseAddr(one)
			if single != nil {
				return errors.Join(fmt.Errorf("%q is no network", one), err)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		*p = append(*p, prefix)
	}
	return nil
}

// Type names the value in help.
func (p *prefixes) Type() string { return "networks" }
