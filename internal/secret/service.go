package secret

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// defaultMax is how many secrets an owner may have unless Config says otherwise.
const defaultMax = 1000

// Config sets up a Service. Store, Uses and Keyring are required.
type Config struct {
	Store   Store
	Uses    Uses
	Keyring *Keyring
	// MaxPerOwner is how many secrets a team or person may have. Default 1000.
	MaxPerOwner int

	// Now and NewID default to the clock and random ids.
	Now   func() time.Time
	NewID func() string
	Log   *slog.Logger
}

// Service carries out what people ask of secrets, and hands values to runs. It is safe for concurrent
// use; any number of replicas may share a Store.
type Service struct {
	cfg Config

	mu   sync.Mutex
	paid map[Use]bool // uses for model calls that are recorded already, without their times
}

// New returns a Service, or what its Config lacks.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Uses == nil || cfg.Keyring == nil {
		return nil, errors.New("secret: config lacks Store, Uses or Keyring")
	}
	cfg.MaxPerOwner = cmp.Or(cfg.MaxPerOwner, defaultMax)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Service{cfg: cfg, paid: map[Use]bool{}}, nil
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// Create stores a secret: the team's or, if req says so or the actor may not change what is the team's,
// the actor's own.
func (s *Service) Create(ctx context.Context, actor identity.Actor, req api.CreateSecretRequest) (Secret, error) {
	if err := actor.Check(identity.PermManage); err != nil {
		return Secret{}, err
	}
	owner, err := ownerOf(actor, req.Team)
	if err == nil {
		err = actor.CheckChange(owner)
	}
	if err != nil {
		return Secret{}, err
	}
	t := cmp.Or(req.Type, api.SecretTypeRAWVALUE)
	for _, err := range []error{checkName(req.Name), checkDescription(req.Description), checkFileName(req.FileName, t)} {
		if err != nil {
			return Secret{}, err
		}
	}
	now := s.now()
	c := Secret{
		UID: s.cfg.NewID(), Owner: owner, Name: req.Name, Type: t, Description: req.Description, FileName: req.FileName,
		Creator: actor.Profile(), Editor: actor.Profile(), CreatedAt: now, UpdatedAt: now, ValuedAt: now,
	}
	if c.Type == api.SecretTypeFILE {
		c.FileName = cmp.Or(c.FileName, c.Name)
	}
	if c.Sealed, err = s.seal(ctx, c, req.Value); err != nil {
		return Secret{}, err
	}
	if err := s.cfg.Store.Insert(ctx, c, s.cfg.MaxPerOwner); err != nil {
		return Secret{}, err
	}
	s.did(actor, "create secret", c)
	return c, nil
}

// ownerOf decides whose a new secret is. Only people have secrets of their own: nobody else triggers
// runs by themselves.
func ownerOf(actor identity.Actor, team *bool) (identity.Owner, error) {
	shared := actor.May(identity.PermAdminister) || actor.Kind != identity.KindUser
	if team != nil {
		shared = *team
	}
	switch {
	case !shared && actor.Kind != identity.KindUser:
		return identity.Owner{}, api.Invalid("team", "only people have secrets of their own")
	case !shared:
		return identity.Owner{Type: api.ScopeTypeUser, UID: actor.UID}, nil
	case actor.TeamUID == "":
		return identity.Owner{}, api.Invalid("team", "the caller is in no team")
	}
	return identity.Owner{Type: api.ScopeTypeTeam, UID: actor.TeamUID}, nil
}

// seal checks a value and seals it for its secret.
func (s *Service) seal(ctx context.Context, c Secret, v api.SecretValue) ([]byte, error) {
	v, err := checkValue(c.Name, c.Type, v)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode secret: %w", err)
	}
	return s.cfg.Keyring.Seal(ctx, c.Owner, binds(c), plain)
}

// open returns the value of a secret.
func (s *Service) open(ctx context.Context, c Secret) (api.SecretValue, error) {
	plain, err := s.cfg.Keyring.Open(ctx, c.Owner, binds(c), c.Sealed)
	if err != nil {
		return api.SecretValue{}, fmt.Errorf("secret %s: %w", c.Name, err)
	}
	var v api.SecretValue
	if err := json.NewDecoder(bytes.NewReader(plain)).Decode(&v); err != nil {
		return api.SecretValue{}, fmt.Errorf("decode secret %s", c.Name) // the cause may quote the value
	}
	return v, nil
}

// binds is the name a value is sealed under. The type belongs to it: a value never becomes one of
// another type, which would be delivered elsewhere.
func binds(c Secret) string { return "secret " + string(c.Type) + " " + c.Name }

// Get returns one secret without its value; one that the actor may not see is not found.
func (s *Service) Get(ctx context.Context, actor identity.Actor, uid string) (Secret, error) {
	if err := sees(actor); err != nil {
		return Secret{}, err
	}
	if err := uuid.Validate(uid); err != nil || len(uid) != 36 {
		return Secret{}, api.NotFound("secret", fmt.Sprintf("%.40s", uid))
	}
	c, err := s.cfg.Store.Get(ctx, uid)
	if err == nil && !actor.Sees(c.Owner) {
		err = api.NotFound("secret", uid)
	}
	if err != nil {
		return Secret{}, err
	}
	return c, nil
}

// sees refuses runs, which get what is theirs and learn of nothing else.
func sees(actor identity.Actor) error {
	if actor.Kind == identity.KindRun {
		return api.Fail(api.PlatformErrorCodeNotAuthorized, "a run token may not see secrets")
	}
	return actor.Check(identity.PermRead)
}

// List returns the team's secrets and the actor's own, by name, without values.
func (s *Service) List(ctx context.Context, actor identity.Actor) ([]Secret, error) {
	if err := sees(actor); err != nil {
		return nil, err
	}
	return s.cfg.Store.List(ctx, owners(actor.TeamUID, actor.UID)...)
}

func owners(teamUID, userUID string) []identity.Owner {
	var list []identity.Owner
	if teamUID != "" {
		list = append(list, identity.Owner{Type: api.ScopeTypeTeam, UID: teamUID})
	}
	if userUID != "" {
		list = append(list, identity.Owner{Type: api.ScopeTypeUser, UID: userUID})
	}
	return list
}

// Update changes a secret's value, its description or both.
func (s *Service) Update(ctx context.Context, actor identity.Actor, uid string, req api.UpdateSecretRequest) (Secret, error) {
	c, err := s.changeable(ctx, actor, uid)
	if err != nil {
		return Secret{}, err
	}
	if req.Description != nil {
		if err := checkDescription(*req.Description); err != nil {
			return Secret{}, err
		}
	}
	var sealed []byte
	if !zero(req.Value) {
		if sealed, err = s.seal(ctx, c, req.Value); err != nil {
			return Secret{}, err
		}
	}
	now := s.now()
	c, err = s.cfg.Store.Change(ctx, uid, func(c *Secret) error {
		if req.Description != nil {
			c.Description = *req.Description
		}
		if sealed != nil {
			c.Sealed, c.ValuedAt = sealed, now
		}
		c.Editor, c.UpdatedAt = actor.Profile(), now
		return nil
	})
	if err == nil {
		s.did(actor, "update secret", c)
	}
	return c, err
}

// Delete removes a secret at once.
func (s *Service) Delete(ctx context.Context, actor identity.Actor, uid string) error {
	c, err := s.changeable(ctx, actor, uid)
	if err != nil {
		return err
	}
	if err := s.cfg.Store.Delete(ctx, uid); err != nil {
		return err
	}
	s.did(actor, "delete secret", c)
	return nil
}

func (s *Service) changeable(ctx context.Context, actor identity.Actor, uid string) (Secret, error) {
	if err := actor.Check(identity.PermManage); err != nil {
		return Secret{}, err
	}
	c, err := s.Get(ctx, actor, uid)
	if err == nil {
		err = actor.CheckChange(c.Owner)
	}
	return c, err
}

// Uses returns which runs received a secret, latest first, and the position of the rest.
func (s *Service) Uses(ctx context.Context, actor identity.Actor, uid, cursor string, limit int) ([]Use, string, error) {
	if _, err := s.Get(ctx, actor, uid); err != nil {
		return nil, "", err
	}
	return s.cfg.Uses.Uses(ctx, uid, cursor, limit)
}

// did tells the log of every consequential act once it is stored. It never holds a value.
func (s *Service) did(actor identity.Actor, act string, c Secret) {
	s.cfg.Log.Info(act, "actor", actor.UID, "team_uid", actor.TeamUID, "subject", c.UID, "name", c.Name, "owner", c.Owner.UID)
}
