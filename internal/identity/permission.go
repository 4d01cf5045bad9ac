package identity

import "github.com/cadrehq/cadre/api"

// AllPermissions lists the permissions.
var AllPermissions = []Permission{PermRead, PermCreate, PermSteer, PermManage, PermAdminister, PermWorker, PermRunner, PermGateway}

// AllRoles lists the roles, most powerful first.
var AllRoles = []Role{RoleAdmin, RoleMember, RoleViewer}

// roleRun is the row of a run token: a run is not a member of its team.
const roleRun Role = "run"

// granted is the one table of who may do what. What is not in it is refused.
var granted = map[Role]map[Permission]bool{
	RoleAdmin:  {PermRead: true, PermCreate: true, PermSteer: true, PermManage: true, PermAdminister: true, PermWorker: true},
	RoleMember: {PermRead: true, PermCreate: true, PermSteer: true, PermManage: true},
	RoleViewer: {PermRead: true},
	roleRun:    {PermRead: true, PermCreate: true, PermRunner: true, PermGateway: true},
}

// May reports whether the actor holds a permission at all. Whether a given thing is within its reach
// is for the owner of that thing to decide: see Sees.
func (a Actor) May(p Permission) bool {
	role := a.Role
	if a.Kind == KindRun {
		role = roleRun
	}
	return granted[role][p]
}

// Check returns a not_authorized failure unless the actor holds the permission.
func (a Actor) Check(p Permission) error {
	if a.May(p) {
		return nil
	}
	who := string(a.Role)
	if a.Kind == KindRun {
		who = "a run token"
	}
	return api.Fail(api.PlatformErrorCodeNotAuthorized, "%s may not %s", who, p)
}

// CheckChange returns a not_authorized failure unless the actor may change something with this owner,
// which it sees: what is its own takes PermManage, what is the team's PermAdminister.
func (a Actor) CheckChange(o Owner) error {
	if o.Type == api.ScopeTypeTeam {
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
