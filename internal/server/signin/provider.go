package signin

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cadrehq/cadre/internal/identity"
)

// Provider is an OpenID Connect provider that people may sign in with.
type Provider struct {
	// Name is its part of addresses and what is stored with whom it vouched for: it stays.
	Name string
	// Label is what people read on the button. Default: Name.
	Label string
	// Issuer is the address that the provider's discovery document is below.
	Issuer       string
	ClientID     string
	ClientSecret string // empty for a public client
	// Scopes are asked for beside openid, email and profile.
	Scopes []string
	// GroupsClaim is the claim with the names of a person's groups, for Policy.Groups.
	GroupsClaim string
	Policy      identity.Policy
}

func (p Provider) label() string {
	if p.Label != "" {
		return p.Label
	}
	return p.Name
}

// Title is the label for templates.
func (p Provider) Title() string { return p.label() }

var providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Validate reports all that is wrong with a provider.
func (p Provider) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("provider %q: "+format, append([]any{p.Name}, args...)...))
		}
	}
	wrong(!providerName.MatchString(p.Name), "the name must be lower-case letters, digits and dashes, at most 32")
	wrong(slices.Contains([]string{"password", "link", "invitation"}, p.Name), "the name is taken")
	u, err := url.Parse(p.Issuer)
	wrong(err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http", "issuer %q: want https://HOST", p.Issuer)
	wrong(p.ClientID == "", "a client id is required")
	wrong(p.Policy.Role != "" && !slices.Contains(identity.AllRoles, p.Policy.Role), "role %q is none of admin, member, viewer", p.Policy.Role)
	wrong(p.Policy.Team != "" && len(p.Policy.Domains) == 0, "a team for newcomers needs domains: anybody with an account there would get in")
	wrong(len(p.Policy.Groups) > 0 && p.GroupsClaim == "", "rules about groups need groups_claim")
	for _, g := range p.Policy.Groups {
		wrong(g.Group == "" || g.Team == "", "a rule about groups needs group and team")
		wrong(!slices.Contains(identity.AllRoles, g.Role), "role %q of group %q is none of admin, member, viewer", g.Role, g.Group)
	}
	return errors.Join(errs...)
}

// providerFile is the form of a file of providers.
type providerFile struct {
	Providers []struct {
		Name            string   `yaml:"name"`
		Label           string   `yaml:"label"`
		Issuer          string   `yaml:"issuer"`
		ClientID        string   `yaml:"client_id"`
		ClientSecret    string   `yaml:"client_secret"`
		ClientSecretEnv string   `yaml:"client_secret_env"`
		Scopes          []string `yaml:"scopes"`
		Domains         []string `yaml:"domains"`
		Team            string   `yaml:"team"`
		Role            string   `yaml:"role"`
		GroupsClaim     string   `yaml:"groups_claim"`
		Groups          []struct {
			Group string `yaml:"group"`
			Team  string `yaml:"team"`
			Role  string `yaml:"role"`
		} `yaml:"groups"`
	} `yaml:"providers"`
}

// ReadProviders reads a YAML or JSON file of providers. Secrets may be named by environment variable.
func ReadProviders(path string, getenv func(string) string) ([]Provider, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read providers: %w", err)
	}
	defer f.Close()
	dec := yaml.NewDecoder(f)
	dec.KnownFields(true)
	var file providerFile
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("read providers from %s: %w", path, err)
	}
	var out []Provider
	for _, p := range file.Providers {
		one := Provider{
			Name: p.Name, Label: p.Label, Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: p.ClientSecret,
			Scopes: p.Scopes, GroupsClaim: p.GroupsClaim,
			Policy: identity.Policy{Team: p.Team, Role: identity.Role(p.Role)},
		}
		for _, d := range p.Domains {
			one.Policy.Domains = append(one.Policy.Domains, strings.ToLower(d))
		}
		if p.ClientSecretEnv != "" {
			if one.ClientSecret = getenv(p.ClientSecretEnv); one.ClientSecret == "" {
				return nil, fmt.Errorf("provider %q: the environment variable %s is empty", p.Name, p.ClientSecretEnv)
			}
		}
		for _, g := range p.Groups {
			one.Policy.Groups = append(one.Policy.Groups, identity.GroupRule{Group: g.Group, Team: g.Team, Role: identity.Role(g.Role)})
		}
		out = append(out, one)
	}
	return out, nil
}

// CheckProviders reports all that is wrong with a set of providers.
func CheckProviders(list []Provider) error {
	var errs []error
	seen := map[string]bool{}
	for _, p := range list {
		if seen[p.Name] {
			errs = append(errs, fmt.Errorf("provider %q is configured twice", p.Name))
		}
		seen[p.Name] = true
		errs = append(errs, p.Validate())
	}
	return errors.Join(errs...)
}
