package identity

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
)

// KeyPrefix begins every API key that Cadre generates; 64 hexadecimal digits follow.
const KeyPrefix = "wk-1."

// suffixLen is how much of a key is kept for people to tell keys apart.
const suffixLen = 4

// KeyOwner says as whom a key acts.
type KeyOwner string

// The owners of keys.
const (
	OwnerUser  KeyOwner = "user"
	OwnerTeam  KeyOwner = "team"
	OwnerAgent KeyOwner = "agent"
)

// Key is an API key as stored: the secret itself is kept only as a hash.
type Key struct {
	UID        string
	Name       string
	Hash       []byte // SHA-256 of the whole key
	Suffix     string // its last four characters
	OwnerType  KeyOwner
	OwnerUID   string // user, team or agent
	TeamUID    string // team it works for
	Role       Role   // at most this; a person's key also has at most their role in the team
	Scopes     Scopes
	CreatorUID string // the person who made it
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time
	RevokedAt  time.Time
}

// usable reports whether the key opens anything at a time.
func (k Key) usable(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// NewKey generates an API key.
func NewKey() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // documented never to fail
	return KeyPrefix + hex.EncodeToString(b)
}

// KeyRequest asks for a key.
type KeyRequest struct {
	Name string
	// Owner is OwnerUser unless set; AgentUID names the agent of OwnerAgent.
	Owner    KeyOwner
	AgentUID string
	// Role bounds a team's or agent's key; member when empty. A person's key has the person's role.
	Role   Role
	Scopes Scopes // none: full
	// ExpiresAt is in the future; zero is never.
	ExpiresAt time.Time
}

// NewKey stores a new API key for a user of a team and returns it, for the one time it can be shown.
func (s *Service) NewKey(ctx context.Context, user User, team Team, role Role, name string, expires time.Time) (string, Key, error) {
	return s.putKey(ctx, Key{
		Name: name, OwnerType: OwnerUser, OwnerUID: user.UID, TeamUID: team.UID, Role: role,
		Scopes: Scopes{ScopeFull}, CreatorUID: user.UID, ExpiresAt: expires,
	})
}

// CreateKey makes a key as the actor asks and returns it for the one time it can be shown.
func (s *Service) CreateKey(ctx context.Context, actor Actor, req KeyRequest) (string, Key, error) {
	k, err := s.checkKey(ctx, actor, req)
	if err != nil {
		return "", Key{}, err
	}
	secret, k, err := s.putKey(ctx, k)
	if err == nil {
		s.did(actor, ActCreateKey, k.UID, "owner_type", k.OwnerType, "scopes", k.Scopes.String())
	}
	return secret, k, err
}

// checkKey decides what the key asked for would be.
func (s *Service) checkKey(ctx context.Context, actor Actor, req KeyRequest) (Key, error) {
	if err := actor.Check(PermAccount); err != nil {
		return Key{}, err
	}
	name, err := checkName("name", req.Name)
	if err != nil {
		return Key{}, err
	}
	if !req.ExpiresAt.IsZero() && !req.ExpiresAt.After(s.cfg.Now()) {
		return Key{}, api.Invalid("expires_at", "must be in the future")
	}
	scopes, err := ParseScopes(req.Scopes.String())
	if err != nil {
		return Key{}, err
	}
	k := Key{
		Name: name, OwnerType: OwnerUser, OwnerUID: actor.UID, TeamUID: actor.TeamUID, Role: RoleAdmin,
		Scopes: scopes, CreatorUID: actor.UID, ExpiresAt: req.ExpiresAt.UTC().Truncate(time.Microsecond),
	}
	if actor.TeamUID == "" {
		return Key{}, api.Fail(api.PlatformErrorCodeNotAuthorized, "who is in no team has nothing a key could open")
	}
	if req.Owner == "" || req.Owner == OwnerUser {
		return k, nil
	}
	return s.checkSharedKey(ctx, actor, req, k)
}

// checkSharedKey decides about a key that acts as the team or one of its agents.
func (s *Service) checkSharedKey(ctx context.Context, actor Actor, req KeyRequest, k Key) (Key, error) {
	if err := actor.Check(PermAdminister); err != nil {
		return Key{}, err
	}
	k.Role = req.Role
	if k.Role == "" {
		k.Role = RoleMember
		if slices.Contains(k.Scopes, ScopeWorker) {
			k.Role = RoleAdmin // others' keys connect no workers
		}
	}
	if err := checkRole("role", k.Role); err != nil {
		return Key{}, err
	}
	if weaker(actor.Role, k.Role) != k.Role {
		return Key{}, api.Fail(api.PlatformErrorCodeNotAuthorized, "a %s makes no key with role %s", actor.Role, k.Role)
	}
	k.OwnerType, k.OwnerUID = OwnerTeam, actor.TeamUID
	if req.Owner == OwnerAgent {
		if _, err := s.AgentName(ctx, actor.TeamUID, req.AgentUID); err != nil {
			return Key{}, err
		}
		k.OwnerType, k.OwnerUID = OwnerAgent, req.AgentUID
	}
	return k, nil
}

func (s *Service) putKey(ctx context.Context, k Key) (string, Key, error) {
	secret := NewKey()
	k = s.sealKey(k, secret)
	if err := s.cfg.Store.PutKey(ctx, k); err != nil {
		return "", Key{}, fmt.Errorf("store key: %w", err)
	}
	return secret, k, nil
}

// sealKey fills in what is known of a key once its secret is.
func (s *Service) sealKey(k Key, secret string) Key {
	hash := hashOf(secret)
	k.UID, k.Hash, k.Suffix, k.CreatedAt = s.cfg.NewID(), hash[:], secret[len(secret)-suffixLen:], s.now()
	return k
}

// Keys lists the keys the actor may see, newest first: a person's own, and for admins those of the
// team and its agents. Revoked ones are not among them; expired ones are.
func (s *Service) Keys(ctx context.Context, actor Actor) ([]Key, error) {
	keys, err := s.cfg.Store.Keys(ctx, actor.UID, actor.TeamUID)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return slices.DeleteFunc(keys, func(k Key) bool { return !actor.seesKey(k) }), nil
}

// seesKey reports whether a key is within the actor's reach.
func (a Actor) seesKey(k Key) bool {
	if k.OwnerType == OwnerUser {
		return a.Kind == KindUser && k.OwnerUID == a.UID
	}
	return k.TeamUID == a.TeamUID && a.May(PermAdminister)
}

// RenameKey gives a key another name.
func (s *Service) RenameKey(ctx context.Context, actor Actor, uid, name string) (Key, error) {
	name, err := checkName("name", name)
	if err != nil {
		return Key{}, err
	}
	return s.changeKey(ctx, actor, uid, ActRenameKey, func(k *Key) { k.Name = name })
}

// RevokeKey ends a key at once, on every server.
func (s *Service) RevokeKey(ctx context.Context, actor Actor, uid string) (Key, error) {
	return s.changeKey(ctx, actor, uid, ActRevokeKey, func(k *Key) { k.RevokedAt = s.now() })
}

// GiveUpKey ends the personal key that somebody holds. Whatever else is presented, and what has ended
// already, is left as it is: the caller learns nothing of it.
func (s *Service) GiveUpKey(ctx context.Context, secret string) error {
	if !wellFormed(secret) {
		return nil
	}
	hash := hashOf(secret)
	k, err := s.cfg.Store.KeyByHash(ctx, hash[:])
	if notFound(err) || err == nil && (k.OwnerType != OwnerUser || !k.RevokedAt.IsZero()) {
		return nil
	}
	if err == nil {
		err = s.cfg.Store.ChangeKey(ctx, k.UID, func(k *Key) error {
			k.RevokedAt = s.now()
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("give up key: %w", err)
	}
	s.did(Actor{UID: k.OwnerUID, TeamUID: k.TeamUID}, ActRevokeKey, k.UID)
	return nil
}

func (s *Service) changeKey(ctx context.Context, actor Actor, uid string, act ActKind, change func(*Key)) (Key, error) {
	if err := actor.Check(PermAccount); err != nil {
		return Key{}, err
	}
	var changed Key
	err := s.cfg.Store.ChangeKey(ctx, uid, func(k *Key) error {
		if !actor.seesKey(*k) || !k.RevokedAt.IsZero() {
			return api.NotFound("key", uid)
		}
		change(k)
		changed = *k
		return nil
	})
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", act, err)
	}
	s.did(actor, act, uid)
	return changed, nil
}
