package identity

import (
	"context"
	"fmt"
	"slices"

	"github.com/cadrehq/cadre/api"
)

// Teams lists the teams the actor may see, oldest first: a person's own, for an operator all.
func (s *Service) Teams(ctx context.Context, actor Actor) ([]Team, error) {
	all, err := s.cfg.Store.Teams(ctx)
	if err != nil {
		return nil, fmt.Errorf("list teams: %w", err)
	}
	return slices.DeleteFunc(all, func(t Team) bool { return !actor.inTeam(t.UID) && !actor.May(PermOperate) }), nil
}

// inTeam reports whether a team is one of the actor's.
func (a Actor) inTeam(uid string) bool {
	return a.TeamUID == uid || slices.ContainsFunc(a.Teams, func(m Membership) bool { return m.TeamUID == uid })
}

// Team returns a team that the actor works for, or any for an operator.
func (s *Service) Team(ctx context.Context, actor Actor, uid string) (Team, error) {
	if err := actor.reach(uid, PermRead); err != nil {
		return Team{}, err
	}
	return s.cfg.Store.Team(ctx, uid)
}

// reach refuses a team the actor does not work for, as not found, and an act that is not allowed there.
// An operator reaches every team. Whoever is in several works for one at a time.
func (a Actor) reach(teamUID string, p Permission) error {
	if a.May(PermOperate) {
		return nil
	}
	if teamUID == "" || teamUID != a.TeamUID {
		return api.NotFound("team", teamUID)
	}
	return a.Check(p)
}

// CreateTeam makes a team of which the actor is the first admin.
func (s *Service) CreateTeam(ctx context.Context, actor Actor, name string) (Team, error) {
	if err := actor.Check(PermOperate); err != nil {
		return Team{}, err
	}
	name, err := checkName("name", name)
	if err != nil {
		return Team{}, err
	}
	t := Team{UID: s.cfg.NewID(), Name: name, CreatedAt: s.now()}
	if err := s.cfg.Store.CreateTeam(ctx, t, actor.UID); err != nil {
		return Team{}, fmt.Errorf("create team: %w", err)
	}
	s.did(actor, ActCreateTeam, t.UID)
	return t, nil
}

// RenameTeam gives a team another name.
func (s *Service) RenameTeam(ctx context.Context, actor Actor, uid, name string) (Team, error) {
	if err := actor.reach(uid, PermAdminister); err != nil {
		return Team{}, err
	}
	name, err := checkName("name", name)
	if err != nil {
		return Team{}, err
	}
	var changed Team
	err = s.cfg.Store.ChangeTeam(ctx, uid, func(t *Team) error {
		t.Name = name
		changed = *t
		return nil
	})
	if err != nil {
		return Team{}, fmt.Errorf("rename team: %w", err)
	}
	s.did(actor, ActRenameTeam, uid)
	return changed, nil
}

// Members lists a team's members, oldest first.
func (s *Service) Members(ctx context.Context, actor Actor, teamUID string) ([]Member, error) {
	if err := actor.reach(teamUID, PermRead); err != nil {
		return nil, err
	}
	if _, err := s.cfg.Store.Team(ctx, teamUID); err != nil {
		return nil, err
	}
	return s.cfg.Store.Members(ctx, teamUID)
}

// SetRole changes what a member may do. A team keeps an admin.
func (s *Service) SetRole(ctx context.Context, actor Actor, teamUID, userUID string, role Role) (Member, error) {
	if err := checkRole("role", role); err != nil {
		return Member{}, err
	}
	var changed Member
	err := s.changeMembers(ctx, actor, teamUID, ActChangeRole, userUID, func(members []Member) (MemberChange, error) {
		m, err := member(members, userUID)
		if err != nil {
			return MemberChange{}, err
		}
		if m.Role == RoleAdmin && role != RoleAdmin && lastAdmin(members, userUID) {
			return MemberChange{}, errLastAdmin()
		}
		m.Role, m.Source = role, "" // what a person decides stays, whatever a provider's groups say
		changed = m
		return MemberChange{Put: []Member{m}}, nil
	})
	return changed, err
}

// RemoveMember puts somebody out of a team. Their keys and sign-ins for it end at once. A team keeps an
// admin.
func (s *Service) RemoveMember(ctx context.Context, actor Actor, teamUID, userUID string) error {
	return s.changeMembers(ctx, actor, teamUID, ActRemoveMember, userUID, removing(userUID))
}

// LeaveTeam is to remove oneself from any of one's teams, whatever one's role.
func (s *Service) LeaveTeam(ctx context.Context, actor Actor, teamUID string) error {
	if err := actor.Check(PermAccount); err != nil {
		return err
	}
	if !actor.inTeam(teamUID) {
		return api.NotFound("team", teamUID)
	}
	if err := s.cfg.Store.ChangeMembers(ctx, teamUID, removing(actor.UID)); err != nil {
		return fmt.Errorf("%s: %w", ActRemoveMember, err)
	}
	s.did(actor, ActRemoveMember, actor.UID)
	return nil
}

func removing(userUID string) func([]Member) (MemberChange, error) {
	return func(members []Member) (MemberChange, error) {
		m, err := member(members, userUID)
		if err != nil {
			return MemberChange{}, err
		}
		if m.Role == RoleAdmin && lastAdmin(members, userUID) {
			return MemberChange{}, errLastAdmin()
		}
		return MemberChange{Remove: []string{userUID}}, nil
	}
}

func (s *Service) changeMembers(ctx context.Context, actor Actor, teamUID string, act ActKind, userUID string, decide func([]Member) (MemberChange, error)) error {
	if err := actor.reach(teamUID, PermAdminister); err != nil {
		return err
	}
	if err := actor.Check(PermAccount); err != nil {
		return err
	}
	if err := s.cfg.Store.ChangeMembers(ctx, teamUID, decide); err != nil {
		return fmt.Errorf("%s: %w", act, err)
	}
	s.did(actor, act, userUID)
	return nil
}

// member finds somebody among a team's members.
func member(members []Member, userUID string) (Member, error) {
	for _, m := range members {
		if m.User.UID == userUID {
			return m, nil
		}
	}
	return Member{}, api.NotFound("member", userUID)
}

// lastAdmin reports whether nobody but this person could administer the team. Who was disabled does
// not count.
func lastAdmin(members []Member, userUID string) bool {
	return !slices.ContainsFunc(members, func(m Member) bool {
		return m.User.UID != userUID && m.Role == RoleAdmin && m.User.DisabledAt.IsZero()
	})
}

func errLastAdmin() error {
	f := api.Fail(api.PlatformErrorCodeConflict, "a team keeps at least one admin: make somebody else one first")
	f.Retryable = new(bool)
	return f
}
