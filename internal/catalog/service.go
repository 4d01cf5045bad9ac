package catalog

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Bounds on an environment's definition. They keep a row and an assignment small.
const (
	maxName     = 200
	maxRepos    = 50
	maxCommands = 100
	maxCommand  = 16 << 10
	maxSecrets  = 200
)

// uidLength and uidLetters are the shape of an environment's uid (contract http-api section 1).
const (
	uidLength  = 22
	uidLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Environments keeps the environments of teams and users.
type Environments struct {
	Store EnvironmentStore
	Now   func() time.Time
	// NewUID makes a uid; NewUID of this package.
	NewUID func() string
}

// NewUID makes a random environment uid.
func NewUID() string {
	// 62 does not divide 256: bytes from 248 on are thrown away, so that no letter is likelier.
	uid := make([]byte, 0, uidLength)
	for len(uid) < uidLength {
		var b [32]byte
		_, _ = rand.Read(b[:]) // documented never to fail
		for _, v := range b {
			if v < 248 && len(uid) < uidLength {
				uid = append(uid, uidLetters[v%62])
			}
		}
	}
	return string(uid)
}

// Create defines an environment: the team's or, if req says so or the actor may not change what is the
// team's, the actor's own.
func (s *Environments) Create(ctx context.Context, actor identity.Actor, req api.EnvironmentRequest) (Environment, error) {
	if err := actor.Check(identity.PermManage); err != nil {
		return Environment{}, err
	}
	if err := checkConfig(req.Config); err != nil {
		return Environment{}, err
	}
	owner := ownerOf(actor, req.Team)
	if err := actor.CheckChange(owner); err != nil {
		return Environment{}, err
	}
	now := s.Now().UTC().Truncate(time.Microsecond)
	e := Environment{
		UID: s.NewUID(), Owner: owner, Config: req.Config,
		Creator: actor.Profile(), Editor: actor.Profile(), CreatedAt: now, UpdatedAt: now,
	}
	if err := s.Store.Put(ctx, e); err != nil {
		return Environment{}, fmt.Errorf("store environment: %w", err)
	}
	return e, nil
}

func ownerOf(actor identity.Actor, team *bool) identity.Owner {
	shared := actor.May(identity.PermAdminister)
	if team != nil {
		shared = *team
	}
	if actor.TeamUID == "" || !shared {
		return identity.Owner{Type: api.ScopeTypeUser, UID: actor.UID}
	}
	return identity.Owner{Type: api.ScopeTypeTeam, UID: actor.TeamUID}
}

// Get returns one environment; one that the actor may not see is not found.
func (s *Environments) Get(ctx context.Context, actor identity.Actor, uid string) (Environment, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return Environment{}, err
	}
	e, err := s.Store.Get(ctx, uid)
	if err != nil {
		return Environment{}, err
	}
	if !actor.Sees(e.Owner) {
		return Environment{}, api.NotFound("environment", uid)
	}
	return e, nil
}

// Update replaces an environment's definition. Its owner stays.
func (s *Environments) Update(ctx context.Context, actor identity.Actor, uid string, req api.EnvironmentRequest) (Environment, error) {
	if err := actor.Check(identity.PermManage); err != nil {
		return Environment{}, err
	}
	if err := checkConfig(req.Config); err != nil {
		return Environment{}, err
	}
	e, err := s.Get(ctx, actor, uid)
	if err == nil {
		err = actor.CheckChange(e.Owner)
	}
	if err != nil {
		return Environment{}, err
	}
	e.Config, e.Editor, e.UpdatedAt = req.Config, actor.Profile(), s.Now().UTC().Truncate(time.Microsecond)
	if err := s.Store.Put(ctx, e); err != nil {
		return Environment{}, fmt.Errorf("store environment: %w", err)
	}
	return e, nil
}

// Delete removes an environment. Runs that use it keep what they were given.
func (s *Environments) Delete(ctx context.Context, actor identity.Actor, uid string) error {
	if err := actor.Check(identity.PermManage); err != nil {
		return err
	}
	e, err := s.Get(ctx, actor, uid)
	if err == nil {
		err = actor.CheckChange(e.Owner)
	}
	if err != nil {
		return err
	}
	return s.Store.Delete(ctx, uid)
}

// List returns the environments the actor may use, latest change first, with the most recent run of
// each that has one.
func (s *Environments) List(ctx context.Context, actor identity.Actor) ([]Environment, map[string]api.EnvironmentLastTask, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return nil, nil, err
	}
	var teams []string
	if actor.TeamUID != "" {
		teams = []string{actor.TeamUID}
	}
	list, err := s.Store.List(ctx, teams, actor.UID)
	if err != nil {
		return nil, nil, err
	}
	last, err := s.LastRuns(ctx, list...)
	return list, last, err
}

// LastRuns returns the most recent run of each environment that has one, by uid.
func (s *Environments) LastRuns(ctx context.Context, list ...Environment) (map[string]api.EnvironmentLastTask, error) {
	if len(list) == 0 {
		return nil, nil
	}
	uids := make([]string, len(list))
	for i, e := range list {
		uids[i] = e.UID
	}
	return s.Store.LastRuns(ctx, uids)
}

// CheckCloneURL refuses an address no runner can clone. An empty one stands for the forge's own.
func CheckCloneURL(field, address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return api.Invalid(field, "is no URL: write https://host/owner/repo.git")
	case u.Scheme == "file" && u.Host == "" && u.Path != "", (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return nil
	case u.Scheme == "file":
		return api.Invalid(field, "write file:///path, with three slashes; the path is one of the worker's host")
	}
	return api.Invalid(field, "must be an https, http or file URL: runners clone over no other")
}

// CheckSecrets refuses a list of secrets that cannot be meant. Names that stand for nothing are no error:
// the secret may come later.
func CheckSecrets(field string, refs []api.SecretRef) error {
	if len(refs) > maxSecrets {
		return api.Invalid(field, "must have at most %d members", maxSecrets)
	}
	seen := map[string]bool{}
	for i, ref := range refs {
		at := fmt.Sprintf("%s[%d].name", field, i)
		switch {
		case ref.Name == "" || len(ref.Name) > maxName || strings.ContainsFunc(ref.Name, unicode.IsControl):
			return api.Invalid(at, "must be the name of a secret")
		case seen[ref.Name]:
			return api.Invalid(at, "%s is there twice", ref.Name)
		}
		seen[ref.Name] = true
	}
	return nil
}

func checkConfig(c api.CloudEnvironmentConfig) error {
	switch {
	case utf8.RuneCountInString(c.Name) > maxName:
		return api.Invalid("config.name", "must be at most %d characters long", maxName)
	case strings.ContainsFunc(c.Name, unicode.IsControl):
		return api.Invalid("config.name", "contains control characters")
	case len(c.GithubRepos) > maxRepos:
		return api.Invalid("config.github_repos", "must have at most %d members", maxRepos)
	case len(c.SourceRepos) > maxRepos:
		return api.Invalid("config.source_repos", "must have at most %d members", maxRepos)
	case len(c.SetupCommands) > maxCommands:
		return api.Invalid("config.setup_commands", "must have at most %d members", maxCommands)
	}
	if c.Secrets != nil {
		if err := CheckSecrets("config.secrets", *c.Secrets); err != nil {
			return err
		}
	}
	for i, r := range c.SourceRepos {
		if err := CheckCloneURL(fmt.Sprintf("config.source_repos[%d].url", i), r.Url); err != nil {
			return err
		}
	}
	for i, command := range c.SetupCommands {
		if len(command) > maxCommand {
			return api.Invalid(fmt.Sprintf("config.setup_commands[%d]", i), "must be at most %d bytes", maxCommand)
		}
	}
	return nil
}
