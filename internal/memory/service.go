package memory

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
)

// Config says what a Service works with. All of it is required.
type Config struct {
	Keep Keep
	// Granted lists the stores a run was given when it was made.
	Granted func(ctx context.Context, runID string) ([]api.MemoryStoreRef, error)
	Now     func() time.Time
	NewID   func() string
}

// Service keeps what agents remember. It is safe for concurrent use and holds no state of its own.
type Service struct{ cfg Config }

// New returns a Service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// CreateStore makes a store of the actor's own, or of their team. An agent gets its own when it is
// created.
func (s *Service) CreateStore(ctx context.Context, actor identity.Actor, req api.CreateMemoryStoreRequest) (Store, error) {
	if err := actor.Check(identity.PermManage); err != nil {
		return Store{}, err
	}
	if err := checkTexts("description", req.Description, maxDescription); err != nil {
		return Store{}, err
	}
	now := s.now()
	store := Store{
		UID: s.cfg.NewID(), TeamUID: actor.TeamUID, OwnerType: req.OwnerType, Description: req.Description, CreatedAt: now, UpdatedAt: now,
	}
	switch {
	case actor.TeamUID == "":
		return Store{}, api.Fail(api.PlatformErrorCodeNotAuthorized, "who is in no team has no memory stores")
	case req.OwnerType == "" || req.OwnerType == api.MemoryOwnerTypeTeam:
		store.OwnerType, store.OwnerUID = api.MemoryOwnerTypeTeam, actor.TeamUID
	case req.OwnerType == api.MemoryOwnerTypeUser && actor.Kind == identity.KindUser:
		store.OwnerUID = actor.UID
	default:
		return Store{}, api.Invalid("owner_type", "must be team, or user for a person's own; an agent's store is made with the agent")
	}
	if err := s.cfg.Keep.InsertStore(ctx, store, maxStores); err != nil {
		return Store{}, fmt.Errorf("store memory store: %w", err)
	}
	return store, nil
}

// Stores lists the stores the actor may read, oldest first.
func (s *Service) Stores(ctx context.Context, actor identity.Actor) ([]Store, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return nil, err
	}
	user := ""
	if actor.Kind == identity.KindUser {
		user = actor.UID
	}
	all, err := s.cfg.Keep.Stores(ctx, actor.TeamUID, user)
	if err != nil || actor.Kind != identity.KindRun {
		return all, err
	}
	refs, err := s.cfg.Granted(ctx, actor.RunID)
	if err != nil {
		return nil, err
	}
	given := map[string]bool{}
	for _, r := range refs {
		given[r.Uid] = true
	}
	var list []Store
	for _, one := range all {
		if given[one.UID] {
			list = append(list, one)
		}
	}
	return list, nil
}

// Store returns one store.
func (s *Service) Store(ctx context.Context, actor identity.Actor, uid string) (Store, error) {
	return s.reach(ctx, actor, uid, toRead)
}

// Describe changes what is said of a store.
func (s *Service) Describe(ctx context.Context, actor identity.Actor, uid, description string) (Store, error) {
	if err := checkTexts("description", description, maxDescription); err != nil {
		return Store{}, err
	}
	if err := actor.Check(identity.PermManage); err != nil {
		return Store{}, err
	}
	if _, err := s.reach(ctx, actor, uid, toWrite); err != nil {
		return Store{}, err
	}
	return s.cfg.Keep.ChangeStore(ctx, uid, func(store *Store) error {
		store.Description, store.UpdatedAt = description, s.now()
		return nil
	})
}

// Agents lists the agents that a store is attached to.
func (s *Service) Agents(ctx context.Context, actor identity.Actor, uid string) ([]api.MemoryStoreAgent, error) {
	if _, err := s.reach(ctx, actor, uid, toRead); err != nil {
		return nil, err
	}
	return s.cfg.Keep.Agents(ctx, uid)
}

// Add remembers something new.
func (s *Service) Add(ctx context.Context, actor identity.Actor, storeUID string, req api.CreateMemoryRequest) (Memory, error) {
	if err := checkWriting(req.Content, req.Reason, req.Version, req.SourceId); err != nil {
		return Memory{}, err
	}
	if _, err := s.reach(ctx, actor, storeUID, toWrite); err != nil {
		return Memory{}, err
	}
	now := s.now()
	m := Memory{
		UID: s.cfg.NewID(), StoreUID: storeUID, Content: req.Content, Number: 1, Source: SourceManual, SourceID: req.SourceId,
		CreatedAt: now, UpdatedAt: now,
	}
	if actor.Kind == identity.KindRun {
		m.Source, m.SourceRunID = SourceRun, actor.RunID
	}
	v := s.version(actor, &m, req.Version, req.Reason)
	if err := s.cfg.Keep.Insert(ctx, m, v, maxMemories); err != nil {
		return Memory{}, fmt.Errorf("store memory: %w", err)
	}
	return m, nil
}

// version is the version a memory has become, which it then names.
func (s *Service) version(actor identity.Actor, m *Memory, label, reason string) Version {
	v := Version{
		UID: s.cfg.NewID(), MemoryUID: m.UID, Number: m.Number, Label: label, Content: m.Content, Reason: reason,
		Author: actor.Profile(), RunID: actor.RunID, CreatedAt: m.UpdatedAt,
	}
	if v.Label == "" {
		v.Label = strconv.Itoa(v.Number)
	}
	m.VersionUID = v.UID
	return v
}

// Rewrite makes a memory say something else. What it said stays as a version.
func (s *Service) Rewrite(ctx context.Context, actor identity.Actor, storeUID, uid string, req api.UpdateMemoryRequest) (Memory, error) {
	if err := checkWriting(req.Content, req.Reason, req.Version, ""); err != nil {
		return Memory{}, err
	}
	if _, err := s.reach(ctx, actor, storeUID, toWrite); err != nil {
		return Memory{}, err
	}
	return s.cfg.Keep.Change(ctx, storeUID, uid, keptVersions, func(m *Memory) (*Version, error) {
		if !m.TombstonedAt.IsZero() {
			return nil, api.NotFound("memory", uid)
		}
		m.Content, m.Number, m.UpdatedAt = req.Content, m.Number+1, s.now()
		v := s.version(actor, m, req.Version, req.Reason)
		return &v, nil
	})
}

// Forget deletes a memory. Its versions can still be looked at.
func (s *Service) Forget(ctx context.Context, actor identity.Actor, storeUID, uid string) error {
	if _, err := s.reach(ctx, actor, storeUID, toWrite); err != nil {
		return err
	}
	_, err := s.cfg.Keep.Change(ctx, storeUID, uid, keptVersions, func(m *Memory) (*Version, error) {
		if !m.TombstonedAt.IsZero() {
			return nil, api.NotFound("memory", uid)
		}
		m.TombstonedAt = s.now()
		return nil, nil
	})
	return err
}

// Versions lists what a memory has said, latest first.
func (s *Service) Versions(ctx context.Context, actor identity.Actor, storeUID, uid string) ([]Version, error) {
	if _, err := s.reach(ctx, actor, storeUID, toRead); err != nil {
		return nil, err
	}
	m, err := s.cfg.Keep.Memory(ctx, storeUID, uid)
	if err != nil {
		return nil, err
	}
	return s.cfg.Keep.Versions(ctx, m.UID)
}

// checkWriting refuses what cannot be remembered, naming the member.
func checkWriting(content, reason, label, sourceID string) error {
	if strings.TrimSpace(content) == "" {
		return api.Invalid("content", "is required")
	}
	if err := catalog.CheckText("content", content, maxContent); err != nil {
		return err
	}
	if err := checkTexts("reason", reason, maxReason); err != nil {
		return err
	}
	if err := catalog.CheckWord("version", label, maxLabel); err != nil {
		return err
	}
	return catalog.CheckWord("source_id", sourceID, maxLabel)
}

func checkTexts(field, text string, characters int) error {
	if utf8.RuneCountInString(text) > characters {
		return api.Invalid(field, "must be at most %d characters long", characters)
	}
	return catalog.CheckText(field, text, 4*characters)
}
