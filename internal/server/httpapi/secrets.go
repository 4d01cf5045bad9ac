package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/secret"
)

// ListSecrets serves GET /secrets.
func (a *API) ListSecrets(ctx context.Context, _ api.ListSecretsRequestObject) (api.ListSecretsResponseObject, error) {
	list, err := a.cfg.Secrets.List(ctx, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	out := api.ListSecrets200JSONResponse{Secrets: make([]api.Secret, 0, len(list))}
	for _, c := range list {
		out.Secrets = append(out.Secrets, c.Wire())
	}
	return out, nil
}

// CreateSecret serves POST /secrets.
func (a *API) CreateSecret(ctx context.Context, req api.CreateSecretRequestObject) (api.CreateSecretResponseObject, error) {
	c, err := a.cfg.Secrets.Create(ctx, actorOf(ctx), *req.Body)
	if err != nil {
		return nil, err
	}
	return api.CreateSecret201JSONResponse{SecretJSONResponse: api.SecretJSONResponse(c.Wire())}, nil
}

// GetSecret serves GET /secrets/{secretUid}.
func (a *API) GetSecret(ctx context.Context, req api.GetSecretRequestObject) (api.GetSecretResponseObject, error) {
	c, err := a.cfg.Secrets.Get(ctx, actorOf(ctx), req.SecretUid)
	if err != nil {
		return nil, err
	}
	return api.GetSecret200JSONResponse{SecretJSONResponse: api.SecretJSONResponse(c.Wire())}, nil
}

// UpdateSecret serves PUT /secrets/{secretUid}.
func (a *API) UpdateSecret(ctx context.Context, req api.UpdateSecretRequestObject) (api.UpdateSecretResponseObject, error) {
	c, err := a.cfg.Secrets.Update(ctx, actorOf(ctx), req.SecretUid, *req.Body)
	if err != nil {
		return nil, err
	}
	return api.UpdateSecret200JSONResponse{SecretJSONResponse: api.SecretJSONResponse(c.Wire())}, nil
}

// DeleteSecret serves DELETE /secrets/{secretUid}.
func (a *API) DeleteSecret(ctx context.Context, req api.DeleteSecretRequestObject) (api.DeleteSecretResponseObject, error) {
	if err := a.cfg.Secrets.Delete(ctx, actorOf(ctx), req.SecretUid); err != nil {
		return nil, err
	}
	return api.DeleteSecret204Response{}, nil
}

// ListSecretUses serves GET /secrets/{secretUid}/uses.
func (a *API) ListSecretUses(ctx context.Context, req api.ListSecretUsesRequestObject) (api.ListSecretUsesResponseObject, error) {
	const page = 50
	limit := page
	if req.Params.Limit != nil {
		limit = *req.Params.Limit
	}
	list, next, err := a.cfg.Secrets.Uses(ctx, actorOf(ctx), req.SecretUid, req.Params.Cursor, limit)
	if err != nil {
		return nil, err
	}
	out := api.ListSecretUses200JSONResponse{
		Uses: make([]api.SecretUse, 0, len(list)), PageInfo: api.PageInfo{HasNextPage: next != "", NextCursor: next},
	}
	for _, u := range list {
		out.Uses = append(out.Uses, u.Wire())
	}
	return out, nil
}

// GetMasterKey serves GET /master-key.
func (a *API) GetMasterKey(ctx context.Context, _ api.GetMasterKeyRequestObject) (api.GetMasterKeyResponseObject, error) {
	state, err := a.cfg.MasterKeys.Rotation(ctx, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	return api.GetMasterKey200JSONResponse(masterKeyState(state)), nil
}

// RotateMasterKey serves POST /master-key/rotate.
func (a *API) RotateMasterKey(ctx context.Context, req api.RotateMasterKeyRequestObject) (api.RotateMasterKeyResponseObject, error) {
	state, err := a.cfg.MasterKeys.Rotate(ctx, actorOf(ctx), req.Body.KeyId)
	if err != nil {
		return nil, err
	}
	return api.RotateMasterKey200JSONResponse(masterKeyState(state)), nil
}

func masterKeyState(s secret.RotationState) api.MasterKeyState {
	out := api.MasterKeyState{Keys: []api.MasterKey{}, Servers: []api.MasterKeyServer{}}
	for _, m := range s.Masters {
		out.Keys = append(out.Keys, api.MasterKey{Id: m.ID, Primary: m.Primary, Since: m.Since, DataKeys: m.DataKeys})
	}
	for _, one := range s.Servers {
		out.Servers = append(out.Servers, api.MasterKeyServer{Instance: one.Instance, KeyIds: one.Keys, SeenAt: one.SeenAt})
	}
	return out
}
