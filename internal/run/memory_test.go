package run

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/session"

	"io"
)

// memory is one run in memory, which checks after every change what must always hold.
type memory struct {
	mu         sync.Mutex
	cur        Current
	entries    []api.Entry
	events     []Event
	commands   []Command
	requests   []Request
	executions []Execution
	mail       []Message
	broken     []string
}

func (m *memory) breach(format string, args ...any) {
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}

func (m *memory) Insert(_ context.Context, n New) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cur = Current{Run: n.Run, Execution: n.Execution}
	if n.Execution != nil {
		m.executions = append(m.executions, *n.Execution)
	}
	m.store(n.Entries, 0)
	m.events = append(m.events, n.Event)
	m.check(Run{})
	return nil
}

func (m *memory) Kept(context.Context, string, string) (Once, string, error) {
	return Once{}, "", api.NotFound("request", "")
}

func (m *memory) Change(_ context.Context, runID string, decide func(Current) (Change, error)) (Changed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if runID != m.cur.Run.ID {
		return Changed{}, api.NotFound("run", runID)
	}
	before := m.cur.Run
	if _, err := decide(m.current()); err != nil {
		return Changed{}, err
	}
	c, err := decide(m.current()) // a decision may be taken again
	if err != nil {
		m.breach("the second decision failed: %v", err)
	}
	done := Changed{FirstSeq: before.LastSeq, LastSeq: before.LastSeq + int64(len(c.Entries))}
	if c.Run != nil {
		m.cur.Run = *c.Run
	}
	if m.cur.Run.LastSeq != done.LastSeq {
		m.breach("LastSeq is %d after %d entries from %d", m.cur.Run.LastSeq, len(c.Entries), before.LastSeq)
	}
	m.execution(c.Execution)
	m.store(c.Entries, c.By)
	m.events = append(m.events, c.Events...)
	m.steering(c)
	m.deliver(c)
	m.check(before)
	done.Run, done.Execution = m.cur.Run, m.cur.Execution
	return done, nil
}

// ChangeAll changes the one run there is.
func (m *memory) ChangeAll(ctx context.Context, runIDs []string, decide func(int, Current) (Change, error)) ([]Changed, error) {
	done, err := m.Change(ctx, runIDs[0], func(cur Current) (Change, error) { return decide(0, cur) })
	return []Changed{done}, err
}

// current hands out copies, as a database does.
func (m *memory) current() Current {
	c := Current{Run: m.cur.Run}
	if m.cur.Execution != nil {
		x := *m.cur.Execution
		c.Execution = &x
	}
	for _, k := range m.commands {
		if !k.Consumed {
			c.Commands = append(c.Commands, k)
		}
	}
	for _, r := range m.requests {
		if r.Answer == nil {
			c.Requests = append(c.Requests, r)
		}
	}
	return c
}

func (m *memory) execution(x *Execution) {
	if x == nil {
		return
	}
	last := len(m.executions)
	switch {
	case x.Number == last+1:
		if last > 0 && m.executions[last-1].State != ExecutionEnded {
			m.breach("execution %d begins while %d lives", x.Number, last)
		}
		m.executions = append(m.executions, *x)
	case x.Number == last && x.ID == m.executions[last-1].ID:
		if m.executions[last-1].State == ExecutionEnded && x.State != ExecutionEnded {
			m.breach("execution %d came back to life", x.Number)
		}
		m.executions[last-1] = *x
	default:
		m.breach("execution %d changed while %d is the latest", x.Number, last)
	}
	stored := *x
	m.cur.Execution = &stored
}

func (m *memory) store(entries []api.NewEntry, by int) {
	for _, e := range entries {
		m.entries = append(m.entries, api.Entry{Seq: int64(len(m.entries)) + 1, Type: e.Type, CreatedAt: e.CreatedAt, Execution: by, Data: e.Data})
	}
}

func (m *memory) steering(c Change) {
	for _, k := range c.Commands {
		k.ID = int64(len(m.commands)) + 1
		m.commands = append(m.commands, k)
	}
	for _, id := range c.Consumed {
		if k := &m.commands[id-1]; k.Consumed {
			m.breach("command %d is consumed twice", id)
		} else {
			k.Consumed = true
		}
	}
	for _, r := range c.Requests {
		m.requests = slices.DeleteFunc(m.requests, func(o Request) bool { return o.ID == r.ID })
		m.requests = append(m.requests, r)
	}
	for _, a := range c.Answered {
		i := slices.IndexFunc(m.requests, func(r Request) bool { return r.ID == a.ID })
		if i < 0 || m.requests[i].Answer != nil {
			m.breach("request %s is answered twice", a.ID)
			continue
		}
		m.requests[i] = a
	}
}

func (m *memory) deliver(c Change) {
	m.mail = append(m.mail, c.Messages...)
	for _, id := range c.Delivered {
		i := slices.IndexFunc(m.mail, func(msg Message) bool { return msg.ID == id })
		if i < 0 {
			m.breach("message %s is delivered and was never sent", id)
			continue
		}
		m.mail[i].DeliveredAt = m.cur.Run.UpdatedAt
	}
}

// check is the property: what holds of a run at every moment.
func (m *memory) check(before Run) {
	r, cur := m.cur.Run, m.current()
	alive := cur.Execution != nil && cur.Execution.State != ExecutionEnded
	holds := map[string]bool{
		"live is what the execution says":           r.Live == alive,
		"a working run is queued or has a sandbox":  !r.State.Working() || (r.State == api.RunStateQUEUED) != alive,
		"who is asked something is blocked":         len(cur.Requests) == 0 || r.State == api.RunStateBLOCKED,
		"a run that does not move says why":         r.Waiting.Code != "" || r.State == api.RunStateINPROGRESS || r.State.Ended(),
		"a run that moves or ended does not wait":   r.Waiting.Code == "" || r.Waiting.Code == api.WaitingCodeMessages || (r.State != api.RunStateINPROGRESS && !r.State.Ended()),
		"only who is at work waits for messages":    r.Waiting.Code != api.WaitingCodeMessages || r.State == api.RunStateINPROGRESS,
		"a reason has a beginning and a sentence":   r.Waiting.Code == "" || (!r.Waiting.Since.IsZero() && r.Waiting.Message != ""),
		"active time never shrinks":                 r.Active >= before.Active,
		"the clock runs only in progress":           r.ActiveAt.IsZero() == (r.State != api.RunStateINPROGRESS),
		"a failed run says what failed":             (r.State != api.RunStateFAILED && r.State != api.RunStateERROR) || r.ErrorCode != "" || r.State == api.RunStateFAILED,
		"no message waits for a run at rest alone":  !restsWith(cur, r),
		"entries are numbered without gaps":         r.LastSeq == int64(len(m.entries)),
		"the execution number is that of the run's": cur.Execution == nil || cur.Execution.Number == r.Execution,
	}
	for what, ok := range holds {
		if !ok {
			m.breach("%s: does not hold in %s (from %s, live %v, execution %+v)", what, r.State, before.State, r.Live, cur.Execution)
		}
	}
	m.checkMoves()
}

// restsWith: a message was left behind by a run at rest whose sandbox is gone.
func restsWith(cur Current, r Run) bool {
	// After a failure it waits for the person to try again, or it might fail for ever.
	failed := r.State == api.RunStateFAILED || r.State == api.RunStateERROR
	if failed || len(cur.Requests) > 0 || r.State.Working() || r.Live || r.Location == api.RunExecutionLocationLOCAL {
		return false
	}
	return slices.ContainsFunc(cur.Commands, func(c Command) bool {
		// What other runs say waits with a run that waits for a person.
		return c.Kind == api.CommandKindFollowUp || c.Kind == api.CommandKindMessage && r.State != api.RunStateBLOCKED
	})
}

// checkMoves follows the states told by the events: each is a legal move from the one before.
func (m *memory) checkMoves() {
	state := none
	for _, e := range m.events {
		switch e.Type {
		case EventPhase, EventExecution, EventWaiting, EventMessage, EventSession:
			continue
		}
		if !slices.ContainsFunc(AllCauses, func(by Cause) bool { _, err := legal(state, e.State, by); return err == nil }) {
			m.breach("the events tell a move from %s to %s", state, e.State)
		}
		state = e.State
	}
	if state != m.cur.Run.State {
		m.breach("the events end in %s, the run is %s", state, m.cur.Run.State)
	}
}

func (m *memory) Get(_ context.Context, id string) (Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id != m.cur.Run.ID {
		return Run{}, api.NotFound("run", id)
	}
	return m.cur.Run, nil
}

func (m *memory) List(context.Context, Query) (Page, error) { return Page{}, nil }

func (m *memory) Executions(context.Context, string) ([]Execution, error) { return m.executions, nil }
func (m *memory) Events(context.Context, string) ([]Event, error)         { return m.events, nil }
func (m *memory) Commands(context.Context, string) ([]Command, error) {
	return m.current().Commands, nil
}
func (m *memory) Requests(context.Context, string) ([]Request, error) { return m.requests, nil }
func (m *memory) Artifacts(context.Context, ...string) (map[string][]Artifact, error) {
	return nil, nil
}
func (m *memory) Artifact(_ context.Context, uid string) (Artifact, error) {
	return Artifact{}, api.NotFound("artifact", uid)
}
func (m *memory) Messages(_ context.Context, ids ...string) (map[string]Message, error) {
	found := map[string]Message{}
	for _, msg := range m.mail {
		if slices.Contains(ids, msg.ID) {
			found[msg.ID] = msg
		}
	}
	return found, nil
}
func (m *memory) LastEvent(_ context.Context, _ string, t EventType) (last int64, err error) {
	for i, e := range m.events {
		if e.Type == t {
			last = int64(i) + 1
		}
	}
	return last, nil
}
func (m *memory) ClientEvents(context.Context, string) ([]ClientEvent, error)      { return nil, nil }
func (m *memory) NoteClient(context.Context, string, ClientEvent, int) error       { return nil }
func (m *memory) Children(context.Context, ...string) (map[string][]string, error) { return nil, nil }
func (m *memory) Working(context.Context, string, int) (int, error)                { return 0, nil }

func (m *memory) Entries(_ context.Context, _ string, after int64, limit int) ([]api.Entry, error) {
	if after >= int64(len(m.entries)) {
		return nil, nil
	}
	return m.entries[after:min(int(after)+limit, len(m.entries))], nil
}
func (m *memory) Head(context.Context, string) (session.Head, error) { return session.Head{}, nil }

func (m *memory) Renew(_ context.Context, ids []string, until time.Time) (ended []string, err error) {
	if x := m.cur.Execution; x == nil || x.ID != ids[0] || x.State == ExecutionEnded {
		return ids, nil
	}
	return nil, nil
}

// surroundings answers what a Service asks beside its store.
type surroundings struct{}

func (surroundings) Get(_ context.Context, uid string) (catalog.Environment, error) {
	return catalog.Environment{}, api.NotFound("environment", uid)
}
func (surroundings) Resolve(string, api.HarnessType, ...api.SecretType) (string, error) {
	return "scripted", nil
}
func (surroundings) Put(_ context.Context, m blob.Meta, _ io.Reader, _ int64) (blob.Meta, error) {
	return m, nil
}
func (surroundings) Discard(string) {}

func (surroundings) Open(_ context.Context, id string) (blob.Meta, io.ReadCloser, error) {
	return blob.Meta{}, nil, api.NotFound("blob", id)
}
func (surroundings) Stat(_ context.Context, id string) (blob.Meta, error) {
	return blob.Meta{}, api.NotFound("blob", id)
}

var person = identity.Actor{Kind: identity.KindUser, UID: "u1", Name: "Ada", TeamUID: "t1", Role: identity.RoleMember}
