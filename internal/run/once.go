package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// maxOnceKey bounds the name of a request, in bytes.
const maxOnceKey = 255

// errOtherRequest says that the name of a request belongs to another one.
var errOtherRequest = errors.New("key belongs to another request")

// The kinds of requests that may be named. The same words in another kind are another request.
const (
	queuedRequest = ""
	localRequest  = "local:"
)

// CreateOnce is Create for a request that may be sent again, because its answer was lost: the caller
// names it by a key, and a repetition returns the run as it is by now. The same key with another
// request is a conflict. Keys are the caller's own and kept as long as the run. An empty key is
// Create.
func (s *Service) CreateOnce(ctx context.Context, actor identity.Actor, req api.RunAgentRequest, source api.RunSourceType, key string) (r Run, atCapacity bool, err error) {
	r, err = s.once(ctx, actor, queuedRequest, req, key, func(once *Once) (r Run, err error) {
		r, atCapacity, err = s.create(ctx, actor, req, source, func(d *draft) { d.once = once })
		return r, err
	})
	return r, atCapacity, err
}

// once carries create out, unless the request that key names did so before: then it returns that run.
// Without a key it is just create.
func (s *Service) once(ctx context.Context, actor identity.Actor, kind string, req any, key string, create func(*Once) (Run, error)) (Run, error) {
	if key == "" {
		return create(nil)
	}
	if err := actor.Check(identity.PermCreate); err != nil {
		return Run{}, err
	}
	once, err := onceOf(actor, kind, req, key)
	if err != nil {
		return Run{}, err
	}
	r, err := s.kept(ctx, once)
	if api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
		return r, err
	}
	r, err = create(&once)
	if api.CodeOf(err) != api.PlatformErrorCodeConflict {
		return r, err
	}
	// The same request came twice at once, and the other one was quicker.
	first, keptErr := s.kept(ctx, once)
	if api.CodeOf(keptErr) == api.PlatformErrorCodeResourceNotFound {
		return Run{}, err
	}
	return first, keptErr
}

// onceOf names a request. A run token's keys are its run's, whoever it acts as.
func onceOf(actor identity.Actor, kind string, req any, key string) (Once, error) {
	if len(key) > maxOnceKey {
		return Once{}, api.Invalid("Idempotency-Key", "must be at most %d bytes", maxOnceKey)
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return Once{}, api.Invalid("Idempotency-Key", "must be printable ASCII")
		}
	}
	scope := "user:" + actor.TeamUID + ":" + actor.UID
	if actor.Kind == identity.KindRun {
		scope = "run:" + actor.RunID
	}
	b, err := json.Marshal(req)
	if err != nil {
		return Once{}, fmt.Errorf("encode request: %w", err)
	}
	digest := sha256.Sum256(append([]byte(kind), b...))
	return Once{Scope: scope, Key: key, Digest: hex.EncodeToString(digest[:])}, nil
}

// kept returns the run that the request started before; api.NotFound when there is none.
func (s *Service) kept(ctx context.Context, once Once) (Run, error) {
	stored, runID, err := s.cfg.Store.Kept(ctx, once.Scope, once.Key)
	if err != nil {
		return Run{}, err
	}
	if stored.Digest != once.Digest {
		return Run{}, final(errOtherRequest, "this Idempotency-Key was used for another request")
	}
	return s.cfg.Store.Get(ctx, runID)
}
