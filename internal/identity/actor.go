// Package identity owns who is calling and what they may do: users, teams, roles, keys and run
// tokens. It refuses to know what the things it guards mean: callers name a permission and an owner.
package identity

import (
	"time"

	"github.com/cadrehq/cadre/api"
)

// Kind says what an actor is.
type Kind string

// The kinds of actor.
const (
	KindUser  Kind = "user"
	KindAgent Kind = "agent"
	KindRun   Kind = "run"
)

// Role is what a member may do in a team.
type Role string

// The roles, most powerful first.
const (
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
	RoleViewer Role = "viewer"
)

// Actor is an authenticated caller.
type Actor struct {
	Kind     Kind
	UID      string // user or agent; for a run, the principal it acts as
	Name     string
	Email    string
	TeamUID  string
	TeamName string
	Role     Role
	KeyUID   string

	// Set for KindRun only: the run and execution the token is bound to.
	RunID       string
	ExecutionID string
	Execution   int
}

// Profile is the actor as shown to others.
func (a Actor) Profile() api.UserProfile {
	t := api.UserProfileTypeUser
	if a.Kind == KindAgent {
		t = api.UserProfileTypeServiceAccount
	}
	return api.UserProfile{Type: t, Uid: a.UID, DisplayName: a.Name, Email: a.Email}
}

// Owner says whom a thing belongs to: a user alone, or a team.
type Owner struct {
	Type api.ScopeType
	UID  string
}

// Permission names an act that is guarded.
type Permission string

// The permissions. A run token holds PermRunner on its own run, PermRead on its own run and the
// catalogue, and PermCreate for children; nothing else.
const (
	PermRead   Permission = "read"   // see runs, sessions and the catalogue
	PermCreate Permission = "create" // start runs
	PermSteer  Permission = "steer"  // follow up, answer, interrupt, cancel
	PermManage Permission = "manage" // change what is one's own of the catalogue

	// PermAdminister is to change what is the team's: its environments run commands in the sandboxes of
	// everybody's runs.
	PermAdminister Permission = "administer"
	// PermWorker is to connect as a worker, which is handed the team's runs with all their secrets.
	PermWorker Permission = "worker"

	PermRunner  Permission = "runner"  // report as the runner of one execution
	PermGateway Permission = "gateway" // call models on behalf of a run
)

// User is a person.
type User struct {
	UID       string
	Name      string
	Email     string
	CreatedAt time.Time
}

// Team is a group of people who share runs and configuration.
type Team struct {
	UID       string
	Name      string
	CreatedAt time.Time
}

// Key is an API key as stored: the secret itself is kept only as a hash.
type Key struct {
	UID        string
	Name       string
	Hash       []byte // SHA-256 of the whole key
	Suffix     string // last four characters, for people to tell keys apart
	UserUID    string
	TeamUID    string
	Role       Role
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time
	RevokedAt  time.Time
}
