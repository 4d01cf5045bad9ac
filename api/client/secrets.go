package client

import (
	"context"

	"github.com/cadrehq/cadre/api"
)

// Secrets lists the secrets of the caller's team and their own, by name, without values.
func (c *Client) Secrets(ctx context.Context) ([]api.Secret, error) {
	v, err := Read[api.ListSecretsResponse](c.raw.ListSecrets(ctx))
	return v.Secrets, err
}

// Secret returns one secret without its value.
func (c *Client) Secret(ctx context.Context, uid string) (api.Secret, error) {
	return Read[api.Secret](c.raw.GetSecret(ctx, uid))
}

// CreateSecret stores a secret.
func (c *Client) CreateSecret(ctx context.Context, req api.CreateSecretRequest) (api.Secret, error) {
	return Read[api.Secret](c.raw.CreateSecret(ctx, req))
}

// UpdateSecret changes the members of a secret that are given.
func (c *Client) UpdateSecret(ctx context.Context, uid string, req api.UpdateSecretRequest) (api.Secret, error) {
	return Read[api.Secret](c.raw.UpdateSecret(ctx, uid, req))
}

// DeleteSecret removes a secret at once.
func (c *Client) DeleteSecret(ctx context.Context, uid string) error {
	return none(c.raw.DeleteSecret(ctx, uid))
}

// SecretUses returns which runs received a secret, latest first, from a cursor on.
func (c *Client) SecretUses(ctx context.Context, uid, cursor string, limit int) (api.ListSecretUsesResponse, error) {
	p := api.ListSecretUsesParams{Cursor: cursor}
	if limit > 0 {
		p.Limit = &limit
	}
	return Read[api.ListSecretUsesResponse](c.raw.ListSecretUses(ctx, uid, &p))
}

// MasterKey returns which master keys are in use, and where a change of them stands.
func (c *Client) MasterKey(ctx context.Context) (api.MasterKeyState, error) {
	return Read[api.MasterKeyState](c.raw.GetMasterKey(ctx))
}

// RotateMasterKey begins to seal with another master key; an empty id has the server make one.
func (c *Client) RotateMasterKey(ctx context.Context, id string) (api.MasterKeyState, error) {
	return Read[api.MasterKeyState](c.raw.RotateMasterKey(ctx, api.RotateMasterKeyRequest{KeyId: id}))
}
