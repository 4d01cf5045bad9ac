package run

import (
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
)

// turn is a decision in the making: the run as the row lock found it, and what shall be stored. A
// decision works on copies only, so that the store may try it again.
type turn struct {
	now    time.Time
	before Current
	run    Run
	exec   *Execution
	open   []Request // still unanswered
	wait   []Command // still unconsumed
	change Change
}

func begin(cur Current, now time.Time) *turn {
	t := &turn{now: now, before: cur, run: cur.Run}
	if cur.Execution != nil {
		x := *cur.Execution
		t.exec = &x
	}
	t.open = append(t.open, cur.Requests...)
	t.wait = append(t.wait, cur.Commands...)
	return t
}

// done returns the change, with the run as it became.
func (t *turn) done() Change {
	t.run.LastSeq = t.before.Run.LastSeq + int64(len(t.change.Entries))
	t.run.EntryBytes = t.before.Run.EntryBytes + storedBytes(t.change.Entries...)
	t.change.Run = &t.run
	return t.change
}

// status is what a state is shown with.
type status struct {
	message   string
	code      api.PlatformErrorCode
	retryable bool
	waiting   api.WaitingCode
	why       string // sentence for waiting
}

// move changes the state along the table and keeps the books: times, active time, entry and event.
func (t *turn) move(to api.RunState, by Cause, s status) error {
	from := t.run.State
	event, err := legal(from, to, by)
	if err != nil {
		return err
	}
	t.leave(from)
	r := &t.run
	r.State, r.Message, r.ErrorCode, r.Retryable = to, s.message, s.code, s.retryable
	r.UpdatedAt = t.now
	if !to.Ended() {
		t.shelve(false, "") // what goes on is not out of sight
	}
	r.Waiting = waiting(t.before.Run.Waiting, s.waiting, s.why, t.now)
	t.enter(from, to)
	t.append(api.StateChange{From: from, To: to, Message: s.message, ErrorCode: s.code, Waiting: s.waiting})
	t.event(event, s.message)
	return nil
}

// leave closes the books of a state.
func (t *turn) leave(from api.RunState) {
	if from != api.RunStateINPROGRESS {
		return
	}
	// The clock may have been set back since: active time never shrinks.
	t.run.Active += max(0, t.now.Sub(t.run.ActiveAt))
	t.run.ActiveAt = time.Time{}
}

// enter opens the books of a state.
func (t *turn) enter(from, to api.RunState) {
	r := &t.run
	switch {
	case to == api.RunStateINPROGRESS:
		r.ActiveAt = t.now
		if r.StartedAt.IsZero() {
			r.StartedAt = t.now
		}
	case to == api.RunStateQUEUED:
		// A run that lost its place through no fault of its own keeps its turn in the line.
		if !from.Working() {
			r.QueuedAt = t.now
		}
	case to.Ended():
		r.EndedAt = t.now
		t.closeRequests("The run ended before this was answered.")
	}
}

// waiting is the reason of a wait; the same code keeps its beginning.
func waiting(old api.RunWaiting, code api.WaitingCode, why string, now time.Time) api.RunWaiting {
	if code == "" {
		return api.RunWaiting{}
	}
	w := api.RunWaiting{Code: code, Message: why, Since: now}
	if old.Code == code && !old.Since.IsZero() {
		w.Since = old.Since
	}
	return w
}

// append adds an entry of the server and returns its number.
func (t *turn) append(data api.EntryData) int64 { return t.appendEntry(api.MakeEntry(t.now, data)) }

func (t *turn) appendEntry(e api.NewEntry) int64 {
	t.change.Entries = append(t.change.Entries, e)
	return t.before.Run.LastSeq + int64(len(t.change.Entries))
}

func (t *turn) event(kind EventType, message string) {
	e := Event{
		RunID: t.run.ID, TeamUID: t.run.TeamUID, Type: kind, State: t.run.State, Message: message, At: t.now,
	}
	if t.exec != nil {
		e.ExecutionID = t.exec.ID
	}
	t.change.Events = append(t.change.Events, e)
}

// tell adds an event that is no move, about something else.
func (t *turn) tell(kind EventType, refID string) {
	t.event(kind, "")
	t.change.Events[len(t.change.Events)-1].RefID = refID
}

// touch marks the execution as changed.
func (t *turn) touch() *Execution {
	t.change.Execution = t.exec
	return t.exec
}

// endExecution ends the latest execution for writing. Steering meant for its turn dies with it;
// messages stay for the next one.
func (t *turn) endExecution(reason string) {
	x := t.touch()
	x.State, x.EndedAt, x.EndReason = ExecutionEnded, t.now, clip(reason, 1024)
	t.run.Live = false
	t.append(api.ExecutionEvent{Number: x.Number, Event: "ended", Host: x.Host, Reason: x.EndReason})
	t.event(EventExecution, x.EndReason)
	t.steered()
}

// command stores steering for the runner.
func (t *turn) command(c Command) {
	c.RunID, c.CreatedAt = t.run.ID, t.now
	t.change.Commands = append(t.change.Commands, c)
}

// consume marks the waiting commands that match as needing no further delivery.
func (t *turn) consume(match func(Command) bool) {
	kept := t.wait[:0:0]
	for _, c := range t.wait {
		if match(c) {
			t.change.Consumed = append(t.change.Consumed, c.ID)
		} else {
			kept = append(kept, c)
		}
	}
	t.wait = kept
}

// count counts the commands of a kind that were not taken up yet.
func (t *turn) count(kind api.CommandKind) (n int) {
	for _, c := range t.wait {
		if c.Kind == kind {
			n++
		}
	}
	return n
}

// spokenTo reports whether a person's message was not taken up yet.
func (t *turn) spokenTo() bool { return t.count(api.CommandKindFollowUp) > 0 }

// messagesWait reports whether there is something said that the agent is to take up now. What other runs
// say waits until a run that is BLOCKED was answered: they decide nothing for a person.
func (t *turn) messagesWait() bool {
	return t.spokenTo() || t.run.State != api.RunStateBLOCKED && t.count(api.CommandKindMessage) > 0
}

// answerWaits reports whether an answer set the agent going that it was not seen to take up.
func (t *turn) answerWaits() bool {
	answer := func(c Command) bool { return c.Kind == api.CommandKindAnswer }
	return t.run.State == api.RunStateINPROGRESS && slices.ContainsFunc(t.wait, answer)
}

// answer closes one open request.
func (t *turn) answer(r Request, a api.RunAnswer) {
	r.Answer = &a
	t.change.Answered = append(t.change.Answered, r)
	kept := t.open[:0:0]
	for _, o := range t.open {
		if o.ID != r.ID {
			kept = append(kept, o)
		}
	}
	t.open = kept
}

// closeRequests closes every open request without a decision.
func (t *turn) closeRequests(why string) {
	for _, r := range t.open {
		t.answer(r, api.RunAnswer{AnsweredAt: t.now, Text: why})
	}
}

// mayWrite reports whether an execution is the latest one and has not ended.
func (t *turn) mayWrite(executionID string) bool {
	return t.exec != nil && t.exec.ID == executionID && t.exec.State != ExecutionEnded
}

// fence refuses an execution that may not write.
func (t *turn) fence(executionID string) error {
	if !t.mayWrite(executionID) {
		return ErrFenced
	}
	return nil
}
