package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// ForkOf is the run that another one began as a copy of, up to entry Seq.
type ForkOf struct {
	RunID string `json:"run_id"`
	Seq   int64  `json:"seq"`
}

// Fork starts a run that begins with a copy of another one's conversation, up to an entry or its end.
// The two know nothing of each other afterwards but where the copy is from. Whoever may read a run may
// fork it; the fork is theirs. With a prompt it is queued, else it is BLOCKED until somebody says what
// to do. A key is what it is for CreateOnce.
func (s *Service) Fork(ctx context.Context, actor identity.Actor, id string, req api.ForkRunRequest, source api.RunSourceType, key string) (r Run, atCapacity bool, err error) {
	r, err = s.once(ctx, actor, "fork:"+id, req, key, func(once *Once) (r Run, err error) {
		r, atCapacity, err = s.fork(ctx, actor, id, req, source, once)
		return r, err
	})
	return r, atCapacity, err
}

func (s *Service) fork(ctx context.Context, actor identity.Actor, id string, req api.ForkRunRequest, source api.RunSourceType, once *Once) (r Run, atCapacity bool, err error) {
	base, entries, err := s.original(ctx, actor, id, req.AtSeq)
	if err != nil {
		return Run{}, false, err
	}
	d, err := s.sketch(ctx, actor, forkRequest(base, req), source)
	if err != nil {
		return Run{}, false, err
	}
	d.entries, d.once, d.prompt = entries, once, req.Prompt != ""
	d.run.Origin.Fork = ForkOf{RunID: base.ID, Seq: orElseSeq(req.AtSeq, base.LastSeq)}
	if d.prompt {
		return s.enqueue(ctx, d)
	}
	d.run.State = api.RunStateBLOCKED
	d.run.Waiting = waiting(api.RunWaiting{}, api.WaitingCodeInput, "Forked; waiting to be told what to do.", d.run.CreatedAt)
	r, err = s.insert(ctx, d, nil)
	return r, false, err
}

// original is a run to be forked, with its conversation up to an entry; 0 is its end.
func (s *Service) original(ctx context.Context, actor identity.Actor, id string, at int64) (Run, []api.NewEntry, error) {
	base, err := s.reach(ctx, actor, id, identity.PermRead)
	if err != nil {
		return Run{}, nil, err
	}
	if at < 0 || at > base.LastSeq {
		return Run{}, nil, api.Invalid("at_seq", "must be the number of an entry, 1 to %d", base.LastSeq)
	}
	upTo := orElseSeq(at, math.MaxInt64)
	entries, err := s.copyConversation(ctx, base.ID, func(e api.Entry) bool { return e.Seq <= upTo })
	return base, entries, err
}

func orElseSeq(seq, def int64) int64 {
	if seq == 0 {
		return def
	}
	return seq
}

// forkRequest asks for a run like another one, as far as a fork does not say otherwise. Agent, profile
// and model stay; whose it is does not.
func forkRequest(base Run, req api.ForkRunRequest) api.RunAgentRequest {
	out := api.RunAgentRequest{
		Prompt: req.Prompt, Title: orElse(req.Title, base.Title), Mode: base.Mode, Config: base.Config, Skill: base.Skill,
		Interactive: base.Interactive, SnapshotDisabled: base.NoSnapshot, Metadata: base.Metadata,
		ConversationId: base.ConversationID, // so that a prompt may be absent
	}
	if req.ModelId != "" {
		out.Config.ModelId = req.ModelId
	}
	out.Config.EnvironmentId = cmp.Or(req.EnvironmentId, base.Config.EnvironmentId, noEnvironment) // not the team's default
	return out
}

// ForkConversation copies a conversation, which is its newest run's, without going on with it.
func (s *Service) ForkConversation(ctx context.Context, actor identity.Actor, conversationID, title string, source api.RunSourceType) (Run, error) {
	if err := CheckID("conversation_id", conversationID); err != nil {
		return Run{}, err
	}
	base, err := s.newest(ctx, actor, conversationID)
	if err != nil {
		return Run{}, err
	}
	r, _, err := s.fork(ctx, actor, base.ID, api.ForkRunRequest{Title: title}, source, nil)
	return r, err
}

// Retry asks for what a failed, broken off or cancelled run was asked for again. A run whose agent never
// began goes on as itself, in a new execution: there is nothing of it that could be in the way. Any other
// stays as it is, and a new run, which names it, begins where it began.
func (s *Service) Retry(ctx context.Context, actor identity.Actor, id string, source api.RunSourceType, key string) (r Run, atCapacity bool, err error) {
	r, err = s.once(ctx, actor, "retry:", id, key, func(once *Once) (r Run, err error) {
		r, atCapacity, err = s.retry(ctx, actor, id, source, once)
		return r, err
	})
	return r, atCapacity, err
}

func (s *Service) retry(ctx context.Context, actor identity.Actor, id string, source api.RunSourceType, once *Once) (r Run, atCapacity bool, err error) {
	base, err := s.reach(ctx, actor, id, identity.PermSteer)
	if err != nil {
		return Run{}, false, err
	}
	if err := retryable(base); err != nil {
		return Run{}, false, err
	}
	if base.StartedAt.IsZero() {
		done, err := s.change(ctx, id, decideRetry)
		return done.Run, false, err
	}
	entries, err := s.copyConversation(ctx, id, func(e api.Entry) bool { return e.CreatedAt.Before(base.CreatedAt) })
	if err != nil {
		return Run{}, false, err
	}
	req := forkRequest(base, api.ForkRunRequest{Prompt: base.Prompt, Title: base.Title})
	req.ParentRunId = base.ParentID
	if base.Executor.Type == api.UserProfileTypeServiceAccount && base.Executor.Uid != actor.UID {
		req.AgentIdentityUid = base.Executor.Uid
	}
	if req.Attachments, err = s.attachmentsOf(ctx, base); err != nil {
		return Run{}, false, err
	}
	d, err := s.sketch(ctx, actor, req, source)
	if err != nil {
		return Run{}, false, err
	}
	if base.ConversationID != base.ID {
		d.run.ConversationID = base.ConversationID
	}
	d.entries, d.once, d.files = entries, once, req.Attachments
	d.run.Origin.RetryOf = base.ID
	return s.enqueue(ctx, d)
}

// errNothingFailed refuses to retry what did not fail.
var errNothingFailed = errors.New("the run did not fail")

func retryable(r Run) error {
	switch {
	case r.Location == api.RunExecutionLocationLOCAL:
		return api.Fail(api.PlatformErrorCodeOperationNotSupported, "this run was carried out on a machine of its own: start it there again")
	case r.State != api.RunStateFAILED && r.State != api.RunStateERROR && r.State != api.RunStateCANCELLED:
		return final(errNothingFailed, fmt.Sprintf("only a run that failed or was cancelled can be retried, and this one is %s", r.State))
	case r.Prompt == "" && r.Skill == "":
		return api.Invalid("run id", "the run was given no task when it was made: send it a message instead")
	}
	return nil
}

// decideRetry lets a run wait for a sandbox again. Somebody may have been quicker.
func decideRetry(t *turn) error {
	if err := retryable(t.run); err != nil {
		return err
	}
	return resume(t)
}

// attachmentsOf reads the files a run was given, to be given to another.
func (s *Service) attachmentsOf(ctx context.Context, r Run) ([]api.AttachmentInput, error) {
	var out []api.AttachmentInput
	for _, a := range r.Attachments {
		_, content, err := s.cfg.Blobs.Open(ctx, a.BlobID)
		if err != nil {
			return nil, fmt.Errorf("read attachment: %w", err)
		}
		data, err := io.ReadAll(io.LimitReader(content, s.cfg.MaxAttachmentBytes))
		if err = errors.Join(err, content.Close()); err != nil {
			return nil, fmt.Errorf("read attachment: %w", err)
		}
		out = append(out, api.AttachmentInput{FileName: a.FileName, MimeType: a.MimeType, Data: data})
	}
	return out, nil
}

// forkLocally makes a local run begin with a copy of another one's conversation.
func (s *Service) forkLocally(ctx context.Context, actor identity.Actor, d *draft, req api.LocalRunRequest) error {
	if req.ConversationId != "" {
		return api.Invalid("fork_run_id", "cannot be given with conversation_id")
	}
	base, entries, err := s.original(ctx, actor, req.ForkRunId, req.ForkAtSeq)
	if err != nil {
		return err
	}
	d.entries = entries
	d.run.Origin.Fork = ForkOf{RunID: base.ID, Seq: orElseSeq(req.ForkAtSeq, base.LastSeq)}
	return nil
}
