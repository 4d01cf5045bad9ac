package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Account is what people change about themselves: identity.Service.
type Account interface {
	SetName(ctx context.Context, actor identity.Actor, name string) (identity.User, error)
	SetPassword(ctx context.Context, actor identity.Actor, present, password string) error
	ChooseTeam(ctx context.Context, actor identity.Actor, teamUID string) error
	SignIns(ctx context.Context, actor identity.Actor) ([]identity.SignIn, error)
	SignOut(ctx context.Context, actor identity.Actor, uid string) error
	MintLink(ctx context.Context, actor identity.Actor, userUID string) (string, identity.Link, error)
}

// Keys keeps API keys: identity.Service.
type Keys interface {
	Keys(ctx context.Context, actor identity.Actor) ([]identity.Key, error)
	CreateKey(ctx context.Context, actor identity.Actor, req identity.KeyRequest) (string, identity.Key, error)
	RenameKey(ctx context.Context, actor identity.Actor, uid, name string) (identity.Key, error)
	RevokeKey(ctx context.Context, actor identity.Actor, uid string) (identity.Key, error)
	// AgentName names an agent of a team; resource_not_found when it is gone.
	AgentName(ctx context.Context, teamUID, uid string) (string, error)
}

// UpdateMe serves PUT /me.
func (a *API) UpdateMe(ctx context.Context, req api.UpdateMeRequestObject) (api.UpdateMeResponseObject, error) {
	u, err := a.cfg.Account.SetName(ctx, actorOf(ctx), req.Body.Name)
	return api.UpdateMe200JSONResponse(userItem(u)), err
}

// SetPassword serves PUT /me/password.
func (a *API) SetPassword(ctx context.Context, req api.SetPasswordRequestObject) (api.SetPasswordResponseObject, error) {
	if err := a.cfg.Account.SetPassword(ctx, actorOf(ctx), req.Body.Present, req.Body.Password); err != nil {
		return nil, err
	}
	return api.SetPassword204Response{}, nil
}

// ChooseTeam serves PUT /me/team.
func (a *API) ChooseTeam(ctx context.Context, req api.ChooseTeamRequestObject) (api.ChooseTeamResponseObject, error) {
	if err := a.cfg.Account.ChooseTeam(ctx, actorOf(ctx), req.Body.TeamUid); err != nil {
		return nil, err
	}
	return api.ChooseTeam204Response{}, nil
}

// ListSignIns serves GET /me/sign-ins.
func (a *API) ListSignIns(ctx context.Context, _ api.ListSignInsRequestObject) (api.ListSignInsResponseObject, error) {
	actor := actorOf(ctx)
	list, err := a.cfg.Account.SignIns(ctx, actor)
	if err != nil {
		return nil, err
	}
	out := make([]api.SignIn, 0, len(list))
	for _, in := range list {
		out = append(out, api.SignIn{
			Uid: in.UID, Method: in.Method, Device: in.Device, Address: in.Address, TeamUid: in.TeamUID,
			Current: in.UID == actor.SignInUID, CreatedAt: in.CreatedAt, LastSeenAt: in.SeenAt, ExpiresAt: in.ExpiresAt,
		})
	}
	return api.ListSignIns200JSONResponse{SignIns: out}, nil
}

// EndSignIn serves DELETE /me/sign-ins/{signInUid}.
func (a *API) EndSignIn(ctx context.Context, req api.EndSignInRequestObject) (api.EndSignInResponseObject, error) {
	if err := a.cfg.Account.SignOut(ctx, actorOf(ctx), req.SignInUid); err != nil {
		return nil, err
	}
	return api.EndSignIn204Response{}, nil
}

// CreateSignInLink serves POST /users/{userUid}/sign-in-link.
func (a *API) CreateSignInLink(ctx context.Context, req api.CreateSignInLinkRequestObject) (api.CreateSignInLinkResponseObject, error) {
	secret, l, err := a.cfg.Account.MintLink(ctx, actorOf(ctx), req.UserUid)
	if err != nil {
		return nil, err
	}
	return api.CreateSignInLink201JSONResponse{Url: a.cfg.PublicURL + "/sign-in/link/" + secret, ExpiresAt: l.ExpiresAt}, nil
}

// ListApiKeys serves GET /api-keys.
func (a *API) ListApiKeys(ctx context.Context, _ api.ListApiKeysRequestObject) (api.ListApiKeysResponseObject, error) {
	list, err := a.cfg.Keys.Keys(ctx, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	out := make([]api.ApiKey, 0, len(list))
	for _, k := range list {
		item, err := a.keyItem(ctx, k)
		if err != nil {
			return nil, err
		}
		out = append(out, item)
	}
	return api.ListApiKeys200JSONResponse{ApiKeys: out}, nil
}

// CreateApiKey serves POST /api-keys.
func (a *API) CreateApiKey(ctx context.Context, req api.CreateApiKeyRequestObject) (api.CreateApiKeyResponseObject, error) {
	actor, b := actorOf(ctx), req.Body
	ask := identity.KeyRequest{Name: b.Name, AgentUID: b.AgentUid, Role: identity.Role(b.Role), ExpiresAt: b.ExpiresAt}
	switch {
	case b.TeamId != "" && b.TeamId != actor.TeamUID:
		return nil, api.NotFound("team", b.TeamId)
	case b.AgentUid != "":
		ask.Owner = identity.OwnerAgent
	case b.TeamId != "":
		ask.Owner = identity.OwnerTeam
	case b.Role != "":
		return nil, api.Invalid("role", "is for keys of teams and agents: a person's key has the person's role")
	}
	for _, s := range b.Scopes {
		ask.Scopes = append(ask.Scopes, identity.Scope(s))
	}
	secret, k, err := a.cfg.Keys.CreateKey(ctx, actor, ask)
	if err != nil {
		return nil, err
	}
	item, err := a.keyItem(ctx, k)
	return api.CreateApiKey201JSONResponse{RawApiKey: secret, ApiKey: item}, err
}

// RenameApiKey serves PUT /api-keys/{keyUid}.
func (a *API) RenameApiKey(ctx context.Context, req api.RenameApiKeyRequestObject) (api.RenameApiKeyResponseObject, error) {
	k, err := a.cfg.Keys.RenameKey(ctx, actorOf(ctx), req.KeyUid, req.Body.Name)
	if err != nil {
		return nil, err
	}
	item, err := a.keyItem(ctx, k)
	return api.RenameApiKey200JSONResponse(item), err
}

// RevokeApiKey serves DELETE /api-keys/{keyUid}.
func (a *API) RevokeApiKey(ctx context.Context, req api.RevokeApiKeyRequestObject) (api.RevokeApiKeyResponseObject, error) {
	k, err := a.cfg.Keys.RevokeKey(ctx, actorOf(ctx), req.KeyUid)
	if err != nil {
		return nil, err
	}
	item, err := a.keyItem(ctx, k)
	return api.RevokeApiKey200JSONResponse(item), err
}

// keyItem shows a key as the API does. The name of an agent that is gone stays empty.
func (a *API) keyItem(ctx context.Context, k identity.Key) (api.ApiKey, error) {
	item := api.ApiKey{
		Uid: k.UID, Name: k.Name, KeySuffix: k.Suffix, OwnerType: api.ApiKeyOwner(k.OwnerType), OwnerUid: k.OwnerUID,
		TeamUid: k.TeamUID, Scopes: []api.ApiKeyScope{}, CreatorUid: k.CreatorUID, CreatedAt: k.CreatedAt,
		LastUsedAt: k.LastUsedAt, ExpiresAt: k.ExpiresAt,
	}
	for _, s := range k.Scopes {
		item.Scopes = append(item.Scopes, api.ApiKeyScope(s))
	}
	if k.OwnerType != identity.OwnerUser {
		item.Role = api.TeamRole(k.Role)
	}
	if k.OwnerType == identity.OwnerAgent {
		name, err := a.cfg.Keys.AgentName(ctx, k.TeamUID, k.OwnerUID)
		if err != nil && api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
			return api.ApiKey{}, err
		}
		item.AgentInfo = api.ApiKeyAgent{Uid: k.OwnerUID, Name: name}
	}
	return item, nil
}
