// Package identity owns who is calling and what they may do: people, teams, roles, keys, sign-ins and
// run tokens. It refuses to know what the things it guards mean: callers name a permission and an
// owner. Nor does it speak HTTP: pages, cookies and providers are the server's.
package identity

import (
	"github.com/cadrehq/cadre/api"
)

// Kind says what an actor is.
type Kind string

// The kinds of actor. A team acts through a key of its own, without a person behind it.
const (
	KindUser  Kind = "user"
	KindTeam  Kind = "team"
	KindAgent Kind = "agent"
	KindRun   Kind = "run"
)

// Actor is an authenticated caller, working for one team. A person who is in no team has none, and
// may do nothing but know who they are.
type Actor struct {
	Kind     Kind
	UID      string // user, team or agent; for a run, the principal it acts as
	Name     string
	Email    string
	TeamUID  string
	TeamName string
	Role     Role
	// Operator marks who manages the people and teams of the whole installation.
	Operator bool
	// Scopes narrow what a key may do of what its role allows; a sign-in has the full scope.
	Scopes   Scopes
	narrowed bool // the key holds less than its person
	// Teams are all teams of a person, the one worked for among them.
	Teams []Membership
	// KeyUID or SignInUID is what the caller presented; neither for a run.
	KeyUID, SignInUID string

	// Set for KindRun only: the run and execution the token is bound to.
	RunID       string
	ExecutionID string
	Execution   int
	service     bool // it acts as a team or an agent
}

// Profile is the actor as shown to others.
func (a Actor) Profile() api.UserProfile {
	t := api.UserProfileTypeUser
	if a.Kind == KindAgent || a.Kind == KindTeam || a.service {
		t = api.UserProfileTypeServiceAccount
	}
	return api.UserProfile{Type: t, Uid: a.UID, DisplayName: a.Name, Email: a.Email}
}

// Owner says whom a thing belongs to: a user alone, or a team.
type Owner struct {
	Type api.ScopeType
	UID  string
}
