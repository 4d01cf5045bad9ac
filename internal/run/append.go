package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// EventPhase is the lifecycle event of a finished start-up phase; its Data is an api.Phase without
// its output.
const EventPhase EventType = "phase"

// Append stores entries of an execution and, in the same transaction, what its runner reports. A
// batch stored before is acknowledged again without effect, a gap is a GapError, and an execution
// that is over or superseded is ErrFenced; only a final report that changes nothing any more is then
// acknowledged. Of a batch with which the run would store more than it may, what fits is stored, the
// run ends FAILED and Changed tells how far that is.
func (s *Service) Append(ctx context.Context, actor identity.Actor, req api.RunnerAppendRequest) (Changed, error) {
	if err := runner(actor); err != nil {
		return Changed{}, err
	}
	b, err := s.readBatch(ctx, actor.RunID, req)
	if err != nil {
		return Changed{}, err
	}
	return s.change(ctx, actor.RunID, func(t *turn) error { return s.cfg.decideAppend(t, actor.ExecutionID, b) })
}

// batch is a checked request to append.
type batch struct {
	first   int64
	entries []checked
	report  *api.RunnerReport
	// snapshot is the blob of the workspace as it was after entry kept, if one was stored.
	snapshot string
	kept     int64
}

// checked is an entry fit to be stored, with its decoded data and, for an artifact, its uid.
type checked struct {
	entry   api.NewEntry
	data    api.EntryData
	uid     string
	message *Message // that it takes up
}

// readBatch checks everything about a request that does not depend on the run's state.
func (s *Service) readBatch(ctx context.Context, runID string, req api.RunnerAppendRequest) (batch, error) {
	if req.FirstIndex < 0 {
		return batch{}, api.Invalid("first_index", "must not be negative")
	}
	if n, limit := len(req.Entries), s.cfg.Entries.BatchEntries; n > limit {
		return batch{}, api.Invalid("entries", "must be at most %d, are %d", limit, n)
	}
	if _, err := s.checkBlob(ctx, runID, "snapshot_blob_id", req.SnapshotBlobId, api.BlobKindSnapshot); err != nil {
		return batch{}, err
	}
	if err := checkKept(req.SnapshotSeq); err != nil {
		return batch{}, err
	}
	b := batch{first: req.FirstIndex, entries: make([]checked, 0, len(req.Entries)), snapshot: req.SnapshotBlobId, kept: req.SnapshotSeq}
	now := s.now()
	for i, e := range req.Entries {
		c, err := s.readEntry(ctx, runID, fmt.Sprintf("entries[%d]", i), e, now)
		if err != nil {
			return batch{}, err
		}
		b.entries = append(b.entries, c)
	}
	if req.Report.State != "" {
		r, err := checkReport(req.Report)
		if err != nil {
			return batch{}, err
		}
		b.report = &r
	}
	return b, nil
}

func (s *Service) readEntry(ctx context.Context, runID, field string, e api.NewEntry, now time.Time) (checked, error) {
	e, data, err := s.cfg.Entries.Check(field, e, now)
	if err != nil {
		return checked{}, err
	}
	c := checked{entry: e, data: data}
	switch d := data.(type) {
	case api.ArtifactReport:
		return s.readArtifact(ctx, runID, field+".data.", c, d)
	case api.ActionResult:
		_, err = s.checkBlob(ctx, runID, field+".data.blob", d.Blob, api.BlobKindOutput, api.BlobKindArtifact)
	case api.Request:
		err = checkAsked(field+".data", d)
	case api.UserMessage:
		c.message, err = s.takenUp(ctx, runID, d.CommandID)
	}
	return c, err
}

func checkAsked(field string, r api.Request) error {
	if r.ID == "" {
		return api.Invalid(field+".id", "is required")
	}
	if err := checkWord(field+".id", r.ID, 128); err != nil {
		return err
	}
	switch r.Kind {
	case api.RequestKindPermission, api.RequestKindQuestion, api.RequestKindPlan:
		return nil
	}
	return api.Invalid(field+".kind", "must be permission, question or plan")
}

func (c Config) decideAppend(t *turn, executionID string, b batch) error {
	if !t.mayWrite(executionID) {
		if t.exec != nil && t.exec.ID == executionID && b.moot(t) {
			return nil
		}
		return ErrFenced
	}
	x := t.exec
	if b.first > x.NextIndex {
		return &GapError{Want: x.NextIndex, Got: b.first}
	}
	t.change.By = x.Number
	t.keep(b.snapshot, b.kept)
	if stored := x.NextIndex - b.first; stored < int64(len(b.entries)) {
		full, err := c.takeAll(t, b.entries[stored:])
		if full || err != nil {
			return err
		}
	}
	if b.report == nil {
		return t.settle()
	}
	if !b.report.State.Ended() && t.run.EntryBytes >= c.RunEntries {
		return c.endFull(t, entriesFull, c.RunEntries) // every move leaves an entry, too
	}
	return t.report(*b.report)
}

// takeAll stores new entries while there is room; full says that there was not enough and that the
// run has ended for it.
func (c Config) takeAll(t *turn, fresh []checked) (full bool, err error) {
	room := c.RunEntries - t.run.EntryBytes
	for _, e := range fresh {
		if room -= storedBytes(e.entry); room < 0 {
			return true, c.endFull(t, entriesFull, c.RunEntries)
		}
		t.touch().NextIndex++
		if err := t.take(e); err != nil {
			return false, err
		}
	}
	return false, nil
}

// moot says that nothing in the batch is new and its report is the end of a run that has ended.
func (b batch) moot(t *turn) bool {
	return t.run.State.Ended() && b.report != nil && b.report.State.Ended() &&
		b.first+int64(len(b.entries)) <= t.exec.NextIndex
}

// take stores one new entry with everything that follows from it.
func (t *turn) take(c checked) error {
	switch d := c.data.(type) {
	case api.UserMessage:
		if c.message != nil {
			d = t.attributeMessage(d, *c.message)
		} else {
			d = t.attribute(d)
		}
		t.appendEntry(api.MakeEntry(c.entry.CreatedAt, d))
		return nil
	case api.ActionResult:
		t.withdraw(d.ActionID)
	case api.Request:
		return t.ask(c.entry, d)
	case api.ArtifactReport:
		t.change.Artifacts = append(t.change.Artifacts, Artifact{
			UID: c.uid, RunID: t.run.ID, Type: d.ArtifactType, CreatedAt: c.entry.CreatedAt, BlobID: d.Blob, Data: d.Data,
		})
		t.event(EventArtifact, string(d.ArtifactType))
	case api.Phase:
		t.phase(d)
	}
	if acts(c.entry.Type) {
		t.exec.Acted = true
	}
	t.appendEntry(c.entry)
	return nil
}

// acts says that an entry of this type shows the agent at work.
func acts(e api.EntryType) bool {
	switch e {
	case api.EntryTypeAgentMessage, api.EntryTypeAgentReasoning, api.EntryTypeAction, api.EntryTypeActionResult,
		api.EntryTypeRequest, api.EntryTypePlan, api.EntryTypeArtifact, api.EntryTypeCompaction:
		return true
	}
	return false
}

// attribute makes a user message say what was really said: a sandbox puts words into nobody's mouth.
// One that answers to no command has no author, but for a local run, whose person sits at it.
func (t *turn) attribute(m api.UserMessage) api.UserMessage {
	m.Author, m.MessageID, m.SenderRunID, m.Subject = api.UserProfile{}, "", "", ""
	if t.run.Location == api.RunExecutionLocationLOCAL {
		m.Author = t.run.Creator
	}
	if m.CommandID == 0 {
		return m
	}
	t.consume(func(c Command) bool {
		if c.Kind != api.CommandKindFollowUp || c.ID != m.CommandID {
			return false
		}
		m.Author, m.Text, m.Mode, m.Attachments = c.Author, c.Text, c.Mode, attachmentIDs(c.Attachments)
		return true
	})
	return m
}

// ask opens a request. One that is open already, or that a resumed agent repeats, opens once.
func (t *turn) ask(e api.NewEntry, d api.Request) error {
	if s := t.run.State; s != api.RunStateINPROGRESS && s != api.RunStateBLOCKED {
		return api.Fail(api.PlatformErrorCodeInvalidRequest, "a %s run cannot ask anything: report INPROGRESS first", s)
	}
	t.exec.Acted = true
	seq := t.appendEntry(e)
	for _, r := range t.open {
		if r.ID == d.ID {
			return nil
		}
	}
	r := Request{Request: d, RunID: t.run.ID, Seq: seq, CreatedAt: t.now}
	// Asked, withdrawn and asked again in one batch: what stays is that it is open.
	same := func(o Request) bool { return o.ID == d.ID }
	t.change.Requests = slices.DeleteFunc(t.change.Requests, same)
	t.change.Answered = slices.DeleteFunc(t.change.Answered, same)
	t.open = append(t.open, r)
	t.change.Requests = append(t.change.Requests, r)
	return nil
}

// withdraw closes what was asked about an action that has ended without waiting for the answer.
func (t *turn) withdraw(actionID string) {
	for _, r := range t.open {
		if actionID != "" && r.ActionID == actionID {
			t.answer(r, api.RunAnswer{AnsweredAt: t.now, Text: "The agent went on without an answer."})
		}
	}
}

// phase notes a finished start-up phase for the timeline.
func (t *turn) phase(p api.Phase) {
	if p.State == api.PhaseRunning {
		return
	}
	p.Output, p.Command = "", clip(p.Command, 512)
	p.Name, p.Advice = clip(p.Name, 128), clip(p.Advice, 1024)
	t.event(EventPhase, p.Name)
	t.change.Events[len(t.change.Events)-1].Data = api.MakeEntry(t.now, p).Data
}
