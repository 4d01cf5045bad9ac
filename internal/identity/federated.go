package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// Vouched is what a provider says of somebody who signed in there.
type Vouched struct {
	Provider string // its name here
	Subject  string // what it calls the person, for good
	Email    string
	Verified bool // the provider has seen that the address is theirs
	Name     string
	Groups   []string
	// Present is the uid of who is signed in in the browser that brought the word, "" for nobody.
	Present string
}

// Policy says whom a provider may let in and where they belong.
type Policy struct {
	// Domains are those whose addresses may sign in; none means all. Without a Team that lets in only
	// who has an account or an invitation.
	Domains []string
	// Team, by uid or name, is where somebody new becomes a member, with Role (viewer when empty).
	Team string
	Role Role
	// Groups give memberships, which end when the provider stops naming the group.
	Groups []GroupRule
}

// GroupRule gives the members of a provider's group a role in a team.
type GroupRule struct {
	Group string
	Team  string // uid or name
	Role  Role
}

// FederatedPerson is what is known of somebody a provider vouches for. A decision may change all of it
// but the team's names; who it returns is stored, with exactly these memberships.
type FederatedPerson struct {
	User *User // nil: nobody has the provider's subject or the address
	// Proven says that some provider has vouched for the account before.
	Proven  bool
	Teams   []Membership
	Invited []Invitation // for the address, also those too old
	All     []Team
	// OnlyAdmin are the teams that would be without an admin if they were not one.
	OnlyAdmin []string
	// Accept are the invitations that are used up, Join and Leave how memberships change.
	Accept []Invitation
	Join   []Membership
	Leave  []string // team uids
	// Renew ends all that opened the account so far: its password, sign-ins, links and personal keys.
	Renew bool
}

// maxSubject bounds what a provider calls a person, in bytes (OpenID Connect Core allows 255).
const maxSubject = 255

// SignInVouched signs in whom a provider vouches for: who signed in with it before, or has the verified
// address it names. Open invitations for the address are accepted by it.
func (s *Service) SignInVouched(ctx context.Context, v Vouched, p Policy, b Browser) (string, SignIn, error) {
	if v.Subject == "" || len(v.Subject) > maxSubject {
		return "", SignIn{}, refused(v.Provider + " does not say who this is")
	}
	email, err := CheckEmail("email", v.Email)
	if err != nil || !v.Verified {
		return "", SignIn{}, refused(v.Provider + " does not say which verified e-mail address this is")
	}
	if _, domain, _ := strings.Cut(email, "@"); len(p.Domains) > 0 && !slices.Contains(p.Domains, domain) {
		return "", SignIn{}, refused("addresses of " + domain + " may not sign in here")
	}
	var who User
	err = s.cfg.Store.Federate(ctx, v.Provider, v.Subject, email, func(f *FederatedPerson) (User, error) {
		u, err := s.federate(v, p, email, f)
		who = u
		return u, err
	})
	if err != nil {
		return "", SignIn{}, fmt.Errorf("sign in with %s: %w", v.Provider, err)
	}
	return s.SignIn(ctx, who, v.Provider, b)
}

// federate decides who somebody is and where they belong.
func (s *Service) federate(v Vouched, p Policy, email string, f *FederatedPerson) (User, error) {
	now := s.now()
	f.Accept, f.Join, f.Leave = nil, nil, nil
	u := User{UID: s.cfg.NewID(), Name: email, Email: email, CreatedAt: now}
	if name, err := checkName("name", v.Name); err == nil {
		u.Name = name
	}
	if f.User != nil {
		u = *f.User
	}
	if !u.DisabledAt.IsZero() {
		return User{}, refused("this account was disabled")
	}
	// Whoever made the account held a link for its address, which no mail has proven to be theirs: they may
	// have been waiting for its owner. So the owner takes it over alone, unless they are known to be one.
	f.Renew = f.User != nil && !f.Proven && v.Present != u.UID
	for _, i := range f.Invited {
		if now.Before(i.ExpiresAt) {
			f.Accept = append(f.Accept, i)
			f.join(Membership{TeamUID: i.TeamUID, Role: i.Role})
		}
	}
	if err := f.follow(v, p.Groups); err != nil {
		return User{}, err
	}
	if f.User == nil && len(f.Join) == 0 {
		team, ok := f.team(p.Team)
		if !ok {
			return User{}, refused("nobody has invited " + email)
		}
		f.join(Membership{TeamUID: team, Role: firstRole(p.Role, RoleViewer)})
	}
	return u, nil
}

func firstRole(a, b Role) Role {
	if a != "" {
		return a
	}
	return b
}

// follow gives and takes the memberships that the provider's groups decide. What a person decided is
// left alone.
func (f *FederatedPerson) follow(v Vouched, rules []GroupRule) error {
	wanted := map[string]Role{} // by team
	for _, r := range rules {
		team, ok := f.team(r.Team)
		if !ok {
			return fmt.Errorf("rule of group %q: %w", r.Group, api.NotFound("team", r.Team))
		}
		if _, seen := wanted[team]; !seen {
			wanted[team] = ""
		}
		if slices.Contains(v.Groups, r.Group) && weaker(wanted[team], r.Role) != r.Role {
			wanted[team] = r.Role
		}
	}
	for team, role := range wanted {
		has := slices.IndexFunc(f.Teams, func(m Membership) bool { return m.TeamUID == team })
		switch {
		case has >= 0 && f.Teams[has].Source != v.Provider:
		case slices.Contains(f.OnlyAdmin, team):
		case has >= 0 && role == "":
			f.Leave = append(f.Leave, team)
		case role != "" && (has < 0 || f.Teams[has].Role != role):
			f.join(Membership{TeamUID: team, Role: role, Source: v.Provider})
		}
	}
	return nil
}

// join adds a membership unless there is one already, which an invitation or default leaves alone.
func (f *FederatedPerson) join(m Membership) {
	if m.Source == "" && slices.ContainsFunc(f.Teams, func(have Membership) bool { return have.TeamUID == m.TeamUID }) {
		return
	}
	f.Join = append(f.Join, m)
}

// team finds a team by uid or name.
func (f *FederatedPerson) team(named string) (uid string, ok bool) {
	for _, t := range f.All {
		if t.UID == named || named != "" && t.Name == named {
			return t.UID, true
		}
	}
	return "", false
}
