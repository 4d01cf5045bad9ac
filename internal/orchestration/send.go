package orchestration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// The bounds of a message: a subject in characters, a body in bytes.
const (
	MaxSubject    = 1024
	MaxBody       = 128 << 10
	MaxRecipients = 50
	maxKey        = 255
)

// Send puts a message into the mailboxes of runs, all of them or none, and returns the ids of the copies in
// the order of the recipients. A key makes the request safe to repeat.
func (s *Service) Send(ctx context.Context, actor identity.Actor, req api.SendMessageRequest, key string) ([]string, error) {
	if err := actor.Check(identity.PermMessage); err != nil {
		return nil, err
	}
	if err := check(req, key); err != nil {
		return nil, err
	}
	sender, err := s.sender(ctx, actor, req.SenderRunId)
	if err != nil {
		return nil, err
	}
	messages := make([]run.Message, len(req.To))
	ids := make([]string, len(req.To))
	for i, to := range req.To {
		if err := s.address(ctx, actor, sender, to); err != nil {
			return nil, err
		}
		ids[i] = newID(actor, key, to)
		messages[i] = run.Message{
			ID: ids[i], RunID: to, SenderRunID: sender.ID, Author: author(actor, sender), Subject: req.Subject, Body: req.Body,
		}
	}
	if key != "" {
		if sent, err := s.sent(ctx, messages); sent || err != nil {
			return ids, err
		}
	}
	err = s.cfg.Runs.Post(ctx, messages, run.Posting{Wake: req.Wake == nil || *req.Wake, ByRun: actor.Kind == identity.KindRun})
	if err != nil && key != "" && api.CodeOf(err) == api.PlatformErrorCodeConflict {
		// The same request came twice at once, and the other one was quicker.
		if sent, again := s.sent(ctx, messages); sent || again != nil {
			return ids, again
		}
	}
	return ids, err
}

// check refuses what is wrong with a message by itself.
func check(req api.SendMessageRequest, key string) error {
	switch {
	case len(req.To) == 0:
		return api.Invalid("to", "names nobody")
	case len(req.To) > MaxRecipients:
		return api.Invalid("to", "may name at most %d runs, names %d", MaxRecipients, len(req.To))
	case strings.TrimSpace(req.Subject) == "":
		return api.Invalid("subject", "is required")
	case strings.TrimSpace(req.Body) == "":
		return api.Invalid("body", "is required")
	case len(req.Body) > MaxBody:
		return api.Invalid("body", "must be at most %d bytes, is %d", MaxBody, len(req.Body))
	case utf8.RuneCountInString(req.Subject) > MaxSubject:
		return api.Invalid("subject", "must be at most %d characters", MaxSubject)
	case strings.ContainsFunc(req.Subject, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return api.Invalid("subject", "must be one line without control characters")
	case strings.ContainsRune(req.Body, 0):
		return api.Invalid("body", "must not contain NUL")
	case !utf8.ValidString(req.Subject):
		return api.Invalid("subject", "must be UTF-8")
	case !utf8.ValidString(req.Body):
		return api.Invalid("body", "must be UTF-8")
	case len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }):
		return api.Invalid("Idempotency-Key", "must be at most %d printable ASCII characters", maxKey)
	}
	for i, to := range req.To {
		if err := run.CheckID(fmt.Sprintf("to[%d]", i), to); err != nil {
			return err
		}
		if slices.Contains(req.To[:i], to) {
			return api.Invalid("to", "names run %s twice", to)
		}
		if to == req.SenderRunId {
			return api.Invalid("to", "names the sender itself")
		}
	}
	return run.CheckID("sender_run_id", req.SenderRunId)
}

// sender is the run in whose name the actor speaks: a run token's own, else one the actor may steer.
func (s *Service) sender(ctx context.Context, actor identity.Actor, id string) (run.Run, error) {
	if actor.Kind == identity.KindRun && id != actor.RunID {
		return run.Run{}, api.Fail(api.PlatformErrorCodeNotAuthorized, "sender_run_id: a run token speaks as its own run only")
	}
	r, err := s.cfg.Runs.Get(ctx, actor, id)
	if err == nil && actor.Kind != identity.KindRun {
		err = actor.Check(identity.PermSteer)
	}
	return r, err
}

// address refuses a recipient whom the sender may not speak to. A run speaks to its parent, its siblings
// and everything below it; anybody else to what they see. What is out of reach is not found.
func (s *Service) address(ctx context.Context, actor identity.Actor, sender run.Run, to string) error {
	_, err := s.cfg.Runs.Get(ctx, actor, to)
	if actor.Kind != identity.KindRun || api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
		return err
	}
	if sender.ParentID == "" {
		return api.NotFound("run", to)
	}
	if to == sender.ParentID {
		return nil
	}
	other, err := s.cfg.Stored.Get(ctx, to)
	if err != nil {
		return err
	}
	if other.ParentID != sender.ParentID {
		return api.NotFound("run", to)
	}
	return nil
}

// author is who is shown to have sent a message: the run as an agent, or whoever speaks in its name.
func author(actor identity.Actor, sender run.Run) api.UserProfile {
	if actor.Kind != identity.KindRun {
		return actor.Profile()
	}
	return api.UserProfile{Type: api.UserProfileTypeServiceAccount, Uid: sender.ID, DisplayName: sender.Title}
}

// sent reports whether the messages were sent before. Others under the same key are a conflict.
func (s *Service) sent(ctx context.Context, messages []run.Message) (bool, error) {
	ids := make([]string, len(messages))
	for i, m := range messages {
		ids[i] = m.ID
	}
	found, err := s.cfg.Stored.Messages(ctx, ids...)
	if err != nil || len(found) == 0 {
		return false, err
	}
	for _, m := range messages {
		if f := found[m.ID]; f.SenderRunID != m.SenderRunID || f.Subject != m.Subject || f.Body != m.Body {
			no := false
			return false, &api.Failure{
				Code: api.PlatformErrorCodeConflict, Retryable: &no,
				Detail: "another message was sent with this Idempotency-Key: use a key of its own for each request",
			}
		}
	}
	return true, nil
}
