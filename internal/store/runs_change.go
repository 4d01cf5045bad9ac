package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/cadrehq/cadre/internal/run"
)

// Change locks a run, shows it to decide and stores the decision.
func (s Runs) Change(ctx context.Context, runID string, decide func(run.Current) (run.Change, error)) (run.Changed, error) {
	var changed run.Changed
	err := s.db.Write(ctx, runID, func(tx *Tx) error {
		current, lastCommand, err := currentRun(tx, runID)
		if err != nil {
			return err
		}
		change, err := decide(current)
		if err != nil {
			return err
		}
		c := changing{tx: tx, now: s.db.now(), current: current, change: change, lastCommand: lastCommand}
		changed, err = c.store()
		return err
	})
	if err != nil {
		return run.Changed{}, err
	}
	return changed, nil
}

// ChangeAll locks several runs, shows each to decide and stores the decisions.
func (s Runs) ChangeAll(ctx context.Context, runIDs []string, decide func(i int, cur run.Current) (run.Change, error)) ([]run.Changed, error) {
	// Everybody locks in this order, or two who want the same would wait for each other.
	order := make([]int, len(runIDs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(runIDs[a], runIDs[b]) })
	done := make([]run.Changed, len(runIDs))
	err := s.db.Write(ctx, runIDs[order[0]], func(tx *Tx) error {
		all := make([]changing, len(runIDs))
		for _, i := range order { // nothing is written before all have agreed
			c := changing{tx: tx, now: s.db.now()}
			var err error
			if c.current, c.lastCommand, err = currentRun(tx, runIDs[i]); err != nil {
				return err
			}
			if c.change, err = decide(i, c.current); err != nil {
				return err
			}
			all[i] = c
		}
		for i := range all {
			var err error
			if done[i], err = all[i].store(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// currentRun locks and reads what a decision is made from.
func currentRun(tx *Tx, runID string) (current run.Current, lastCommand int64, err error) {
	r, err := getRun(tx.Query, runID, tx.forUpdate("r"))
	if err != nil {
		return current, 0, err
	}
	current.Run = r.Run
	if current.Execution, err = latestExecution(tx.Query, r.Run); err != nil {
		return current, 0, err
	}
	if r.lastCommand > 0 {
		if current.Commands, err = pendingCommands(tx.Query, runID); err != nil {
			return current, 0, err
		}
	}
	current.Requests, err = openRequests(tx.Query, runID)
	return current, r.lastCommand, err
}

// changing stores one decision.
type changing struct {
	tx          *Tx
	now         time.Time
	current     run.Current
	change      run.Change
	lastCommand int64
}

func (c *changing) store() (run.Changed, error) {
	before := c.tx.wrote
	was := c.current.Run
	next := was
	if c.change.Run != nil {
		next = *c.change.Run
	}
	next.LastSeq = was.LastSeq + int64(len(c.change.Entries))
	done := run.Changed{Run: next, Execution: c.current.Execution, FirstSeq: was.LastSeq, LastSeq: next.LastSeq}
	if len(c.change.Entries) > 0 {
		done.FirstSeq++
	}
	if x := c.change.Execution; x != nil {
		stored := *x
		done.Execution = &stored
	}
	if err := c.heard(was, next); err != nil {
		return done, err
	}
	for _, step := range []func() error{c.commands, c.messages, c.entries, c.requests, c.artifacts, c.execution, c.drop} {
		if err := step(); err != nil {
			return done, err
		}
	}
	for _, e := range c.change.Events {
		c.tx.Emit(eventOf(e, next))
	}
	if err := c.settle(was, next); err != nil {
		return done, err
	}
	if c.tx.wrote > before {
		c.tx.Notify(run.NoticeOf(c.change, done))
	}
	return done, nil
}

// settle writes what became of the run itself.
func (c *changing) settle(was, next run.Run) error {
	if err := c.shelve(was, next); err != nil {
		return err
	}
	if err := c.run(was, next); err != nil || !c.change.Deleted {
		return err
	}
	return bury(c.tx, was.ID, c.now, c.now)
}

// shelve moves the run to the shelf it has come to.
func (c *changing) shelve(was, next run.Run) error {
	if was.Archived == next.Archived {
		return nil
	}
	return c.tx.Send("UPDATE runs SET owner_type = $1 WHERE id = $2", string(shelved(was.Owner, next.Archived).Type), was.ID)
}

// heard refuses what lists would never hear of: they follow the events.
func (c *changing) heard(was, next run.Run) error {
	tells := func(kind run.EventType) bool {
		return slices.ContainsFunc(c.change.Events, func(e run.Event) bool { return e.Type == kind })
	}
	switch {
	case was.Title != next.Title && !tells(run.EventRenamed):
		return errors.New("a run has another title without an event")
	case (was.State != next.State || !was.UpdatedAt.Equal(next.UpdatedAt)) && len(c.change.Events) == 0:
		return errors.New("a run moves without an event")
	case len(c.change.Artifacts) > 0 && !tells(run.EventArtifact):
		return errors.New("a run has an artifact without an event")
	case !was.Archived && next.Archived && !tells(run.EventArchived), was.Archived && !next.Archived && !tells(run.EventUnarchived):
		return errors.New("a run is put away or fetched back without an event")
	case c.change.Deleted && !tells(run.EventDeleted):
		return errors.New("a run is deleted without an event")
	}
	return nil
}

func (c *changing) entries() error {
	return insertEntries.into(c.tx,
		entryRows(c.current.Run.ID, c.current.Run.LastSeq, c.change.By, c.change.Entries, c.now)...)
}

func (c *changing) execution() error {
	if c.change.Execution == nil {
		return nil
	}
	return putExecution(c.tx, *c.change.Execution, c.current.Execution)
}

// drop forgets blobs nobody can reach any more, and what they counted.
func (c *changing) drop() error {
	for _, id := range c.change.Dropped {
		if err := dropBlob(c.tx, c.current.Run.ID, id); err != nil {
			return err
		}
	}
	return nil
}

// run writes the run's row, as little of it as changed: an append touches no index.
func (c *changing) run(was, next run.Run) error {
	id := was.ID
	if head(was) != head(next) {
		if err := c.tx.Send(`UPDATE runs SET host = $1, session_id = $2, conversation_id = $3, last_event_seq = $4,
			mail_bytes = $5, title = $6 WHERE id = $7`, next.Host, next.SessionID, next.ConversationID, next.EventSeq, next.MailBytes, next.Title, id); err != nil {
			return err
		}
	}
	if state(was) == state(next) {
		if next.LastSeq == was.LastSeq && len(c.change.Commands) == 0 {
			return nil
		}
		return c.tx.Send("UPDATE runs SET last_seq = $1, last_command = $2, entry_bytes = $3 WHERE id = $4",
			next.LastSeq, c.lastCommand, next.EntryBytes, id)
	}
	return c.tx.Send(`UPDATE runs SET state = $1, message = $2, error_code = $3, retryable = $4,
		waiting_code = $5, waiting_message = $6, waiting_since = $7, updated_at = $8, queued_at = $9,
		started_at = $10, ended_at = $11, active_us = $12, active_at = $13, execution = $14, live = $15,
		attempts = $16, last_seq = $17, last_command = $18, entry_bytes = $19 WHERE id = $20`,
		string(next.State), next.Message, string(next.ErrorCode), flag(next.Retryable),
		string(next.Waiting.Code), next.Waiting.Message, micros(next.Waiting.Since), micros(next.UpdatedAt),
		micros(next.QueuedAt), micros(next.StartedAt), micros(next.EndedAt), next.Active.Microseconds(),
		micros(next.ActiveAt), next.Execution, flag(next.Live), next.Attempts, next.LastSeq, c.lastCommand,
		next.EntryBytes, id)
}

// runHead is what rarely changes of a run.
type runHead struct {
	host, session, conversation, title string
	eventSeq, mail                     int64
}

func head(r run.Run) runHead {
	return runHead{r.Host, r.SessionID, r.ConversationID, r.Title, r.EventSeq, r.MailBytes}
}

// runState is what a move changes of a run, as stored.
type runState struct {
	state, message, code, waiting, waitingMessage                         string
	retryable, live                                                       bool
	since, updated, queued, started, ended, active, activeAt, exec, tries int64
}

func state(r run.Run) runState {
	return runState{
		state: string(r.State), message: r.Message, code: string(r.ErrorCode),
		waiting: string(r.Waiting.Code), waitingMessage: r.Waiting.Message,
		retryable: r.Retryable, live: r.Live,
		since: micros(r.Waiting.Since), updated: micros(r.UpdatedAt), queued: micros(r.QueuedAt),
		started: micros(r.StartedAt), ended: micros(r.EndedAt), active: r.Active.Microseconds(),
		activeAt: micros(r.ActiveAt), exec: int64(r.Execution), tries: int64(r.Attempts),
	}
}
