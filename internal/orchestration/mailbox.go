package orchestration

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// MaxInbox bounds a list of messages.
const MaxInbox = 100

// Inbox lists messages to a run, oldest first, without their bodies. A run token has its own mailbox only:
// what is in another's is for that run to take up.
func (s *Service) Inbox(ctx context.Context, actor identity.Actor, runID string, unread bool, since time.Time, limit int) ([]run.Message, error) {
	if err := s.mailbox(ctx, actor, runID, identity.PermRead); err != nil {
		return nil, err
	}
	if limit < 1 || limit > MaxInbox {
		return nil, api.Invalid("limit", "must be between 1 and %d", MaxInbox)
	}
	return s.cfg.Mail.Inbox(ctx, runID, unread, since, limit)
}

// mailbox refuses who may not do something with a run's mailbox.
func (s *Service) mailbox(ctx context.Context, actor identity.Actor, runID string, p identity.Permission) error {
	if actor.Kind == identity.KindRun && runID != actor.RunID {
		return api.NotFound("run", runID)
	}
	if _, err := s.cfg.Runs.Get(ctx, actor, runID); err != nil {
		return err
	}
	return actor.Check(p)
}

// message finds a message within the actor's reach.
func (s *Service) message(ctx context.Context, actor identity.Actor, id string) (run.Message, error) {
	if uuid.Validate(id) != nil || len(id) != 36 {
		return run.Message{}, api.Invalid("messageId", "must be a UUID")
	}
	found, err := s.cfg.Stored.Messages(ctx, id)
	if err != nil {
		return run.Message{}, err
	}
	m, ok := found[id]
	if ok {
		err = s.mailbox(ctx, actor, m.RunID, identity.PermMessage)
	}
	if !ok || api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound && err != nil {
		return run.Message{}, api.NotFound("message", id)
	}
	return m, err
}

// Read returns a message, which counts as read from then on. When its own run reads it, it has been
// delivered, too.
func (s *Service) Read(ctx context.Context, actor identity.Actor, id string) (run.Message, error) {
	m, err := s.message(ctx, actor, id)
	if err != nil {
		return m, err
	}
	now := s.now()
	if m.ReadAt.IsZero() {
		if err := s.cfg.Mail.MarkRead(ctx, m, now); err != nil {
			return m, err
		}
		m.ReadAt = now
	}
	if actor.Kind == identity.KindRun && m.DeliveredAt.IsZero() {
		if err := s.cfg.Runs.Delivered(ctx, m); err != nil {
			return m, err
		}
		m.DeliveredAt = now
	}
	return m, nil
}

// Delivered says that a message has reached the agent it is for. It may be repeated.
func (s *Service) Delivered(ctx context.Context, actor identity.Actor, id string) error {
	m, err := s.message(ctx, actor, id)
	if err != nil || !m.DeliveredAt.IsZero() {
		return err
	}
	return s.cfg.Runs.Delivered(ctx, m)
}
