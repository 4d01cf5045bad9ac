package run

import (
	"context"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
)

// Start records that the runner of an execution called, and returns what it is to carry out. It may
// be repeated; an execution that is over or superseded is ErrFenced.
func (s *Service) Start(ctx context.Context, actor identity.Actor, req api.RunnerStartRequest) (Run, Execution, error) {
	if err := runner(actor); err != nil {
		return Run{}, Execution{}, err
	}
	if err := checkStart(req); err != nil {
		return Run{}, Execution{}, err
	}
	done, err := s.change(ctx, actor.RunID, func(t *turn) error { return decideStart(t, actor.ExecutionID, req) })
	if err != nil {
		return Run{}, Execution{}, err
	}
	return done.Run, *done.Execution, nil
}

func checkStart(req api.RunnerStartRequest) error {
	for field, word := range map[string]string{"version": req.Version, "host": req.Host, "backend": req.Backend} {
		if err := checkWord(field, word, 256); err != nil {
			return err
		}
	}
	return nil
}

func decideStart(t *turn, executionID string, req api.RunnerStartRequest) error {
	if err := t.fence(executionID); err != nil {
		return err
	}
	if t.exec.State == ExecutionStarted {
		return nil
	}
	x := t.touch()
	if x.ClaimedAt.IsZero() {
		x.ClaimedAt = t.now
	}
	x.State, x.StartedAt = ExecutionStarted, t.now
	if t.run.ParentID != "" {
		t.tell(EventSession, t.run.SessionID)
	}
	if x.Host == "" {
		x.Host = req.Host
	}
	if x.Backend == "" {
		x.Backend = req.Backend
	}
	t.append(api.ExecutionEvent{Number: x.Number, Event: "started", Host: x.Host})
	const why = "Its sandbox is up; preparing the workspace."
	if t.run.State == api.RunStatePENDING {
		// The worker's claim was lost on its way.
		return t.move(api.RunStateCLAIMED, ByRunner, status{waiting: api.WaitingCodeStarting, why: why})
	}
	if t.run.State == api.RunStateCLAIMED {
		t.run.Waiting = waiting(t.run.Waiting, api.WaitingCodeStarting, why, t.now)
	}
	return nil
}

// Heartbeat keeps the lease of an execution. cancelled says that the run was cancelled and the
// runner must stop; an execution that is over for another reason is ErrFenced.
func (s *Service) Heartbeat(ctx context.Context, actor identity.Actor) (until time.Time, cancelled bool, err error) {
	if err := runner(actor); err != nil {
		return time.Time{}, false, err
	}
	until = s.now().Add(s.cfg.Lease)
	ended, err := s.cfg.Leases.Renew(ctx, []string{actor.ExecutionID}, until)
	if err != nil {
		return time.Time{}, false, err
	}
	if !slices.Contains(ended, actor.ExecutionID) {
		return until, false, nil
	}
	r, err := s.cfg.Store.Get(ctx, actor.RunID)
	if err != nil {
		return time.Time{}, false, err
	}
	if r.State == api.RunStateCANCELLED && r.Execution == actor.Execution {
		return s.now(), true, nil
	}
	return time.Time{}, false, edge(ErrFenced)
}

// Commands lists what the runner has to do and has not taken up yet, in order. The runner of a
// cancelled run finds the cancel command; any other execution that is over is ErrFenced.
func (s *Service) Commands(ctx context.Context, actor identity.Actor) ([]Command, error) {
	if err := runner(actor); err != nil {
		return nil, err
	}
	r, err := s.cfg.Store.Get(ctx, actor.RunID)
	if err != nil {
		return nil, err
	}
	cancelled := r.State == api.RunStateCANCELLED
	if r.Execution != actor.Execution || (!r.Live && !cancelled) {
		return nil, edge(ErrFenced)
	}
	all, err := s.cfg.History.Commands(ctx, actor.RunID)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(c Command) bool {
		return (c.Kind == api.CommandKindCancel) != cancelled
	})
	return all, s.addMessages(ctx, all)
}

// addMessages completes the commands that deliver messages.
func (s *Service) addMessages(ctx context.Context, commands []Command) error {
	var ids []string
	for _, c := range commands {
		if c.Kind == api.CommandKindMessage {
			ids = append(ids, c.RequestID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := s.cfg.History.Messages(ctx, ids...)
	if err != nil {
		return err
	}
	for i, c := range commands {
		if m, ok := found[c.RequestID]; ok && c.Kind == api.CommandKindMessage {
			commands[i].Message = &m
		}
	}
	return nil
}

// Wire is the command as the runner reads it.
func (c Command) Wire() api.Command {
	w := api.Command{
		Id: c.ID, Kind: c.Kind, Text: c.Text, Mode: c.Mode, RequestId: c.RequestID, Author: c.Author, CreatedAt: c.CreatedAt,
	}
	if c.Answer != nil {
		w.Answer = *c.Answer
	}
	if m := c.Message; m != nil {
		w.RequestId, w.Text = "", m.Body
		w.Message = api.CommandMessage{MessageId: m.ID, SenderRunId: m.SenderRunID, Subject: m.Subject}
	}
	return w
}

// gracefulShutdown is the reason of an execution whose machine goes away.
const gracefulShutdown = "graceful_shutdown"

// End ends an execution by its runner, with the snapshot of its workspace. While messages wait it is
// ErrCommandsWait, so that a sandbox does not close before a message or an answer; a machine that goes away, and a
// run that failed, leave them to the next execution. A run that still works goes back to the line.
// The runner of a cancelled run may still add its snapshot; repeating the call has no effect.
func (s *Service) End(ctx context.Context, actor identity.Actor, req api.RunnerEndRequest) error {
	if err := runner(actor); err != nil {
		return err
	}
	if err := checkText("reason", req.Reason, 4096); err != nil {
		return err
	}
	if err := checkKept(req.SnapshotSeq); err != nil {
		return err
	}
	_, err := s.checkBlob(ctx, actor.RunID, "snapshot_blob_id", req.SnapshotBlobId, api.BlobKindSnapshot)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, actor.RunID, func(t *turn) error { return s.cfg.decideEnd(t, actor.ExecutionID, req) })
	return err
}

func (c Config) decideEnd(t *turn, executionID string, req api.RunnerEndRequest) error {
	if t.exec == nil || t.exec.ID != executionID {
		return ErrFenced
	}
	if t.exec.State == ExecutionEnded {
		t.keep(req.SnapshotBlobId, req.SnapshotSeq)
		return nil
	}
	leaving := req.Reason == gracefulShutdown
	failed := t.run.State == api.RunStateFAILED || t.run.State == api.RunStateERROR
	if (t.messagesWait() || t.answerWaits()) && !leaving && !failed {
		return ErrCommandsWait
	}
	t.keep(req.SnapshotBlobId, req.SnapshotSeq)
	if t.run.State.Working() {
		// Its machine is going away: the run goes on elsewhere, from this snapshot.
		return c.interrupted(t, ByRunner, orElse(req.Reason, "its sandbox was stopped"))
	}
	t.endExecution(orElse(req.Reason, "finished"))
	return nil
}

// checkBlob returns a blob the run owns, and refuses any other: a sandbox must not reach another's.
// An empty id is no blob.
func (s *Service) checkBlob(ctx context.Context, runID, field, id string, kinds ...api.BlobKind) (blob.Meta, error) {
	if id == "" {
		return blob.Meta{}, nil
	}
	if err := checkWord(field, id, 64); err != nil {
		return blob.Meta{}, err
	}
	m, err := s.cfg.Blobs.Stat(ctx, id)
	if err != nil && api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
		return blob.Meta{}, err
	}
	if err != nil || m.RunID != runID || !slices.Contains(kinds, m.Kind) {
		return blob.Meta{}, api.Invalid(field, "names no blob of this run")
	}
	return m, nil
}

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
