package identity

import (
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// Role is what a member may do in a team.
type Role string

// The roles, most powerful first.
const (
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
	RoleViewer Role = "viewer"
)

// AllRoles lists the roles, most powerful first.
var AllRoles = []Role{RoleAdmin, RoleMember, RoleViewer}

// roleRun is the row of a run token: a run is not a member of its team.
const roleRun Role = "run"

// weaker is the less powerful of two roles. What is no role is the weakest.
func weaker(a, b Role) Role {
	i, j := slices.Index(AllRoles, a), slices.Index(AllRoles, b)
	switch {
	case i < 0 || j < 0:
		return ""
	case i > j:
		return a
	}
	return b
}

// Permission names an act that is guarded.
type Permission string

// The permissions. A run token holds PermRunner and PermReport on its own run, PermRead on its own run and the
// catalogue, PermCreate for children and PermMessage among the runs around it; nothing else.
const (
	PermSelf   Permission = "self"   // know who one is
	PermRead   Permission = "read"   // see runs, sessions and the catalogue
	PermCreate Permission = "create" // start runs
	PermSteer  Permission = "steer"  // follow up, answer, interrupt, cancel
	// PermMessage is to speak as a run, and to say how one fares that is carried out elsewhere.
	PermMessage Permission = "message"
	PermManage  Permission = "manage" // change what is one's own of the catalogue

	// PermAdminister is to change what is the team's: its environments run commands in the sandboxes of
	// everybody's runs.
	PermAdminister Permission = "administer"
	// PermEmploy is to create, change and delete the team's agents. It is for people only, whatever a key's
	// role: an agent could make itself another.
	PermEmploy Permission = "employ"
	// PermWorker is to connect as a worker, which is handed the team's runs with all their secrets.
	PermWorker Permission = "worker"
	// PermAccount is to change what is about oneself: name, password, keys, sign-ins, leaving a team. Every
	// person holds it whatever their role, but not with a key that was narrowed: it would widen itself.
	PermAccount Permission = "account"
	// PermOperate is to manage the people and teams of the installation. It comes with the person, not
	// with a role.
	PermOperate Permission = "operate"

	// PermReport is to speak for an agent at work: a run token for its own run, a person for local ones.
	PermReport  Permission = "report"
	PermRunner  Permission = "runner"  // report as the runner of one execution
	PermGateway Permission = "gateway" // call models on behalf of a run
)

// AllPermissions lists the permissions.
var AllPermissions = []Permission{PermSelf, PermRead, PermCreate, PermSteer, PermMessage, PermManage, PermEmploy, PermAdminister, PermWorker,
	PermAccount, PermOperate, PermReport, PermRunner, PermGateway}

// granted is the one table of who may do what. What is not in it is refused.
var granted = map[Role]map[Permission]bool{
	RoleAdmin:  {PermRead: true, PermCreate: true, PermSteer: true, PermMessage: true, PermManage: true, PermEmploy: true, PermReport: true, PermAdminister: true, PermWorker: true},
	RoleMember: {PermRead: true, PermCreate: true, PermSteer: true, PermMessage: true, PermManage: true, PermEmploy: true, PermReport: true},
	RoleViewer: {PermRead: true},
	roleRun:    {PermRead: true, PermCreate: true, PermMessage: true, PermReport: true, PermRunner: true, PermGateway: true},
}

// Scope is a part of a role's permissions that a key can be narrowed to.
type Scope string

// The scopes.
const (
	ScopeFull   Scope = "full"   // all that the role allows
	ScopeRead   Scope = "read"   // see
	ScopeRuns   Scope = "runs"   // see, start and steer runs
	ScopeWorker Scope = "worker" // connect as a worker, nothing else
)

// AllScopes lists the scopes, widest first.
var AllScopes = []Scope{ScopeFull, ScopeRuns, ScopeRead, ScopeWorker}

// within is the one table of what each scope lets through; ScopeFull is all of it.
var within = map[Scope]map[Permission]bool{
	ScopeRuns:   {PermRead: true, PermCreate: true, PermSteer: true, PermMessage: true, PermReport: true},
	ScopeRead:   {PermRead: true},
	ScopeWorker: {PermWorker: true},
}

// Scopes are those of a key; none means the full one, which a sign-in has.
type Scopes []Scope

// ParseScopes reads what String wrote, or what a caller asks for; none is the full scope.
func ParseScopes(s string) (Scopes, error) {
	var out Scopes
	for word := range strings.FieldsSeq(s) {
		if !slices.Contains(AllScopes, Scope(word)) {
			return nil, api.Invalid("scopes", "%.64q is not a scope: full, runs, read or worker", word)
		}
		if !slices.Contains(out, Scope(word)) {
			out = append(out, Scope(word))
		}
	}
	if len(out) == 0 {
		out = Scopes{ScopeFull}
	}
	return out, nil
}

// String lists the scopes with spaces between, as they are stored.
func (s Scopes) String() string {
	words := make([]string, len(s))
	for i, one := range s {
		words[i] = string(one)
	}
	return strings.Join(words, " ")
}

// let reports whether the scopes let a permission through.
func (s Scopes) let(p Permission) bool {
	return len(s) == 0 || slices.ContainsFunc(s, func(one Scope) bool { return one == ScopeFull || within[one][p] })
}

// Full reports whether nothing is held back.
func (s Scopes) Full() bool { return len(s) == 0 || slices.Contains(s, ScopeFull) }

// RoleMay reports whether a role holds a permission, and ScopeMay whether a scope lets it through: the
// two tables, for what shows them.
func RoleMay(r Role, p Permission) bool { return p == PermSelf || granted[r][p] }

// ScopeMay reports whether a scope lets a permission through.
func ScopeMay(s Scope, p Permission) bool { return p == PermSelf || Scopes{s}.let(p) }

// May reports whether the actor holds a permission at all. Whether a given thing is within its reach
// is for the owner of that thing to decide: see Sees.
func (a Actor) May(p Permission) bool {
	switch {
	case a.Kind == KindRun:
		return RoleMay(roleRun, p)
	case p == PermSelf:
		return true
	case p == PermAccount:
		return a.Kind == KindUser && !a.narrowed && a.Scopes.Full()
	case p == PermOperate:
		return a.Operator && a.May(PermAccount)
	case p == PermEmploy && a.Kind != KindUser:
		return false
	case p == PermAdminister && a.May(PermOperate):
		return true // who could let themselves in as anybody
	}
	return granted[a.Role][p] && a.Scopes.let(p)
}

// Check returns a not_authorized failure unless the actor holds the permission.
func (a Actor) Check(p Permission) error {
	if a.May(p) {
		return nil
	}
	return api.Fail(api.PlatformErrorCodeNotAuthorized, "%s may not %s", a.who(p), p)
}

// who names what keeps the actor from a permission: its kind, its role or the scope of its key.
func (a Actor) who(p Permission) string {
	switch {
	case a.Kind == KindRun:
		return "a run token"
	case a.Kind != KindUser && (p == PermAccount || p == PermOperate || p == PermEmploy):
		return "who is no person"
	case p == PermOperate && !a.Operator:
		return "who is no operator of the installation"
	case p == PermAccount || p == PermOperate:
		return "a narrowed key"
	case a.Role == "":
		return "who is in no team"
	case granted[a.Role][p]:
		return "a key with scope " + a.Scopes.String()
	}
	return string(a.Role)
}

// CheckChange returns a not_authorized failure unless the actor may change something with this owner,
// which it sees: what is its own takes PermManage, what is the team's PermAdminister. Only people and
// agents own things by themselves.
func (a Actor) CheckChange(o Owner) error {
	if o.Type == api.ScopeTypeTeam || a.Kind == KindTeam {
		return a.Check(PermAdminister)
	}
	return a.Check(PermManage)
}

// Sees reports whether something with this owner is within the actor's reach: their own, or their
// team's.
func (a Actor) Sees(o Owner) bool {
	if o.UID == "" {
		return false
	}
	if o.Type == api.ScopeTypeTeam {
		return o.UID == a.TeamUID
	}
	return o.UID == a.UID
}
