package identity

import (
	"context"
	"time"
)

// Store keeps users, teams and keys.
type Store interface {
	// Bootstrap creates the first team, its admin and the admin's key, unless any user exists.
	Bootstrap(ctx context.Context, t Team, u User, k Key) (created bool, err error)
	// KeyByHash returns the key with the given hash, its user and the names of its team.
	KeyByHash(ctx context.Context, hash []byte) (Key, User, Team, error)
	// PutKey stores a key, replacing one with the same uid.
	PutKey(ctx context.Context, k Key) error
	// Touch notes when keys were last used. It is called in batches, off the request path.
	Touch(ctx context.Context, lastUsed map[string]time.Time) error
	// Secret returns the named server secret (the key run tokens and links are signed with),
	// storing candidate when there is none yet, so that every replica uses the same one.
	Secret(ctx context.Context, name string, candidate []byte) ([]byte, error)
}
