package schedule

import (
	"cmp"
	"context"
	"slices"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// principal is whom the schedule's runs are made as, with what they may do by now.
func (s *Service) principal(ctx context.Context, c Schedule) (identity.Actor, error) {
	switch {
	case c.AgentUID != "" && s.cfg.Agents != nil:
		return s.agent(ctx, c, c.AgentUID)
	case c.CreatorKind == identity.KindAgent:
		return s.agent(ctx, c, c.Creator.Uid)
	case c.CreatorKind == identity.KindTeam:
		return identity.Actor{
			Kind: identity.KindTeam, UID: c.Creator.Uid, Name: c.Creator.DisplayName, TeamUID: c.TeamUID, Role: identity.RoleMember,
		}, nil
	}
	user, teams, err := s.cfg.People.User(ctx, c.Creator.Uid)
	if err != nil && api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound {
		return identity.Actor{}, orphaned("is gone")
	}
	if err != nil {
		return identity.Actor{}, err
	}
	if !user.DisabledAt.IsZero() {
		return identity.Actor{}, orphaned("was disabled")
	}
	i := slices.IndexFunc(teams, func(m identity.Membership) bool { return m.TeamUID == c.TeamUID })
	if i < 0 {
		return identity.Actor{}, orphaned("is no longer in its team")
	}
	return identity.Actor{
		Kind: identity.KindUser, UID: user.UID, Name: user.Name, Email: user.Email, Teams: teams,
		TeamUID: c.TeamUID, TeamName: teams[i].TeamName, Role: teams[i].Role,
	}, nil
}

// agent is an agent of the schedule's team as an actor: a member.
func (s *Service) agent(ctx context.Context, c Schedule, uid string) (identity.Actor, error) {
	a := identity.Actor{Kind: identity.KindAgent, UID: uid, TeamUID: c.TeamUID, Role: identity.RoleMember}
	if s.cfg.Agents == nil {
		a.Name = cmp.Or(c.Creator.DisplayName, uid)
		return a, nil
	}
	var err error
	a.Name, err = s.cfg.Agents(ctx, c.TeamUID, uid)
	return a, err
}

// orphaned says that nobody is there to make runs as.
func orphaned(why string) *api.Failure {
	return api.Fail(api.PlatformErrorCodeNotAuthorized,
		"the schedule's creator %s: have somebody of the team create it again", why)
}
