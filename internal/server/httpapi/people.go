package httpapi

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// People keeps who is in which team: identity.Service.
type People interface {
	Teams(ctx context.Context, actor identity.Actor) ([]identity.Team, error)
	Team(ctx context.Context, actor identity.Actor, uid string) (identity.Team, error)
	CreateTeam(ctx context.Context, actor identity.Actor, name string) (identity.Team, error)
	RenameTeam(ctx context.Context, actor identity.Actor, uid, name string) (identity.Team, error)
	Members(ctx context.Context, actor identity.Actor, teamUID string) ([]identity.Member, error)
	SetRole(ctx context.Context, actor identity.Actor, teamUID, userUID string, role identity.Role) (identity.Member, error)
	RemoveMember(ctx context.Context, actor identity.Actor, teamUID, userUID string) error
	LeaveTeam(ctx context.Context, actor identity.Actor, teamUID string) error
	Invite(ctx context.Context, actor identity.Actor, teamUID, email string, role identity.Role, life time.Duration) (string, identity.Invitation, error)
	Invitations(ctx context.Context, actor identity.Actor, teamUID string) ([]identity.Invitation, error)
	RevokeInvitation(ctx context.Context, actor identity.Actor, teamUID, uid string) error
	Users(ctx context.Context, actor identity.Actor) ([]identity.User, error)
	SetDisabled(ctx context.Context, actor identity.Actor, uid string, disabled bool) (identity.User, error)
	SetOperator(ctx context.Context, actor identity.Actor, uid string, operator bool) (identity.User, error)
}

// ListTeams serves GET /teams.
func (a *API) ListTeams(ctx context.Context, _ api.ListTeamsRequestObject) (api.ListTeamsResponseObject, error) {
	actor := actorOf(ctx)
	list, err := a.cfg.People.Teams(ctx, actor)
	if err != nil {
		return nil, err
	}
	out := make([]api.Team, 0, len(list))
	for _, t := range list {
		out = append(out, teamItem(actor, t))
	}
	return api.ListTeams200JSONResponse{Teams: out}, nil
}

// CreateTeam serves POST /teams.
func (a *API) CreateTeam(ctx context.Context, req api.CreateTeamRequestObject) (api.CreateTeamResponseObject, error) {
	t, err := a.cfg.People.CreateTeam(ctx, actorOf(ctx), req.Body.Name)
	if err != nil {
		return nil, err
	}
	item := teamItem(actorOf(ctx), t)
	item.Role = api.TeamRoleAdmin
	return api.CreateTeam201JSONResponse{TeamJSONResponse: api.TeamJSONResponse(item)}, nil
}

// GetTeam serves GET /teams/{teamUid}.
func (a *API) GetTeam(ctx context.Context, req api.GetTeamRequestObject) (api.GetTeamResponseObject, error) {
	t, err := a.cfg.People.Team(ctx, actorOf(ctx), req.TeamUid)
	if err != nil {
		return nil, err
	}
	return api.GetTeam200JSONResponse{TeamJSONResponse: api.TeamJSONResponse(teamItem(actorOf(ctx), t))}, nil
}

// RenameTeam serves PUT /teams/{teamUid}.
func (a *API) RenameTeam(ctx context.Context, req api.RenameTeamRequestObject) (api.RenameTeamResponseObject, error) {
	t, err := a.cfg.People.RenameTeam(ctx, actorOf(ctx), req.TeamUid, req.Body.Name)
	if err != nil {
		return nil, err
	}
	return api.RenameTeam200JSONResponse{TeamJSONResponse: api.TeamJSONResponse(teamItem(actorOf(ctx), t))}, nil
}

// ListMembers serves GET /teams/{teamUid}/members.
func (a *API) ListMembers(ctx context.Context, req api.ListMembersRequestObject) (api.ListMembersResponseObject, error) {
	list, err := a.cfg.People.Members(ctx, actorOf(ctx), req.TeamUid)
	if err != nil {
		return nil, err
	}
	out := make([]api.Member, 0, len(list))
	for _, m := range list {
		out = append(out, memberItem(m))
	}
	return api.ListMembers200JSONResponse{Members: out}, nil
}

// SetMemberRole serves PUT /teams/{teamUid}/members/{userUid}.
func (a *API) SetMemberRole(ctx context.Context, req api.SetMemberRoleRequestObject) (api.SetMemberRoleResponseObject, error) {
	m, err := a.cfg.People.SetRole(ctx, actorOf(ctx), req.TeamUid, req.UserUid, identity.Role(req.Body.Role))
	if err != nil {
		return nil, err
	}
	return api.SetMemberRole200JSONResponse(memberItem(m)), nil
}

// RemoveMember serves DELETE /teams/{teamUid}/members/{userUid}.
func (a *API) RemoveMember(ctx context.Context, req api.RemoveMemberRequestObject) (api.RemoveMemberResponseObject, error) {
	if err := a.cfg.People.RemoveMember(ctx, actorOf(ctx), req.TeamUid, req.UserUid); err != nil {
		return nil, err
	}
	return api.RemoveMember204Response{}, nil
}

// LeaveTeam serves DELETE /me/teams/{teamUid}.
func (a *API) LeaveTeam(ctx context.Context, req api.LeaveTeamRequestObject) (api.LeaveTeamResponseObject, error) {
	if err := a.cfg.People.LeaveTeam(ctx, actorOf(ctx), req.TeamUid); err != nil {
		return nil, err
	}
	return api.LeaveTeam204Response{}, nil
}

// ListInvitations serves GET /teams/{teamUid}/invitations.
func (a *API) ListInvitations(ctx context.Context, req api.ListInvitationsRequestObject) (api.ListInvitationsResponseObject, error) {
	list, err := a.cfg.People.Invitations(ctx, actorOf(ctx), req.TeamUid)
	if err != nil {
		return nil, err
	}
	out := make([]api.Invitation, 0, len(list))
	for _, i := range list {
		if a.cfg.Now().Before(i.ExpiresAt) {
			out = append(out, invitationItem(i))
		}
	}
	return api.ListInvitations200JSONResponse{Invitations: out}, nil
}

// CreateInvitation serves POST /teams/{teamUid}/invitations.
func (a *API) CreateInvitation(ctx context.Context, req api.CreateInvitationRequestObject) (api.CreateInvitationResponseObject, error) {
	var life time.Duration
	if !req.Body.ExpiresAt.IsZero() {
		if life = req.Body.ExpiresAt.Sub(a.cfg.Now()); life == 0 {
			life = -1 // which is no life, rather than the usual one
		}
	}
	secret, i, err := a.cfg.People.Invite(ctx, actorOf(ctx), req.TeamUid, req.Body.Email, identity.Role(req.Body.Role), life)
	if err != nil {
		return nil, err
	}
	return api.CreateInvitation201JSONResponse{Invitation: invitationItem(i), Url: a.cfg.PublicURL + "/invitation/" + secret}, nil
}

// RevokeInvitation serves DELETE /teams/{teamUid}/invitations/{invitationUid}.
func (a *API) RevokeInvitation(ctx context.Context, req api.RevokeInvitationRequestObject) (api.RevokeInvitationResponseObject, error) {
	if err := a.cfg.People.RevokeInvitation(ctx, actorOf(ctx), req.TeamUid, req.InvitationUid); err != nil {
		return nil, err
	}
	return api.RevokeInvitation204Response{}, nil
}

// ListUsers serves GET /users.
func (a *API) ListUsers(ctx context.Context, _ api.ListUsersRequestObject) (api.ListUsersResponseObject, error) {
	list, err := a.cfg.People.Users(ctx, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	out := make([]api.User, 0, len(list))
	for _, u := range list {
		out = append(out, userItem(u))
	}
	return api.ListUsers200JSONResponse{Users: out}, nil
}

// DisableUser serves POST /users/{userUid}/disable.
func (a *API) DisableUser(ctx context.Context, req api.DisableUserRequestObject) (api.DisableUserResponseObject, error) {
	u, err := a.cfg.People.SetDisabled(ctx, actorOf(ctx), req.UserUid, true)
	return api.DisableUser200JSONResponse{UserJSONResponse: api.UserJSONResponse(userItem(u))}, err
}

// EnableUser serves POST /users/{userUid}/enable.
func (a *API) EnableUser(ctx context.Context, req api.EnableUserRequestObject) (api.EnableUserResponseObject, error) {
	u, err := a.cfg.People.SetDisabled(ctx, actorOf(ctx), req.UserUid, false)
	return api.EnableUser200JSONResponse{UserJSONResponse: api.UserJSONResponse(userItem(u))}, err
}

// MakeOperator serves PUT /users/{userUid}/operator.
func (a *API) MakeOperator(ctx context.Context, req api.MakeOperatorRequestObject) (api.MakeOperatorResponseObject, error) {
	u, err := a.cfg.People.SetOperator(ctx, actorOf(ctx), req.UserUid, true)
	return api.MakeOperator200JSONResponse{UserJSONResponse: api.UserJSONResponse(userItem(u))}, err
}

// UnmakeOperator serves DELETE /users/{userUid}/operator.
func (a *API) UnmakeOperator(ctx context.Context, req api.UnmakeOperatorRequestObject) (api.UnmakeOperatorResponseObject, error) {
	u, err := a.cfg.People.SetOperator(ctx, actorOf(ctx), req.UserUid, false)
	return api.UnmakeOperator200JSONResponse{UserJSONResponse: api.UserJSONResponse(userItem(u))}, err
}

func teamItem(actor identity.Actor, t identity.Team) api.Team {
	item := api.Team{Uid: t.UID, Name: t.Name, CreatedAt: t.CreatedAt}
	if t.UID == actor.TeamUID {
		item.Role = api.TeamRole(actor.Role)
	}
	for _, m := range actor.Teams {
		if m.TeamUID == t.UID {
			item.Role = api.TeamRole(m.Role)
		}
	}
	return item
}

func memberItem(m identity.Member) api.Member {
	return api.Member{
		User: m.User.Profile(), Role: api.TeamRole(m.Role), Source: m.Source,
		Disabled: !m.User.DisabledAt.IsZero(), CreatedAt: m.CreatedAt,
	}
}

func invitationItem(i identity.Invitation) api.Invitation {
	return api.Invitation{
		Uid: i.UID, TeamUid: i.TeamUID, Email: i.Email, Role: api.TeamRole(i.Role), CreatorUid: i.CreatorUID,
		CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt,
	}
}

func userItem(u identity.User) api.User {
	return api.User{
		Uid: u.UID, Name: u.Name, Email: u.Email, Operator: u.Operator, Disabled: !u.DisabledAt.IsZero(),
		HasPassword: u.Password != "", CreatedAt: u.CreatedAt,
	}
}
