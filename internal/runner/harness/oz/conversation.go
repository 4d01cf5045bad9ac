package oz

import (
	"encoding/json"
	"fmt"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/model"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/permission"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

// conversation is the agent's state: what the entries of the run add up to. It is not safe for
// concurrent use.
type conversation struct {
	assignment api.RunnerAssignment

	items    []item
	actions  map[string]*action
	order    []*action
	requests map[string]*action // by request id
	taken    []int64            // commands taken in: follow-ups and messages
	consumed []int64            // follow-ups taken in
	cursor   int64              // last event of other runs the model was told of

	turn     int          // last model turn seen
	whole    map[int]bool // turns whose end was recorded
	spoken   bool         // a person, or a notice, spoke after the last model turn
	parked   bool         // interrupted, and nobody spoke since
	planning bool         // nothing may be changed before a plan is approved
	planned  bool         // the run has been asked to plan
	summary  *api.Compaction
	context  int64 // tokens of the window the last call filled
	fresh    int   // bytes added to the context since
	images   map[string][]model.Image
}

// item is something the model is told, in order.
type item struct {
	seq  int64
	turn int
	data api.EntryData // UserMessage, AgentMessage, AgentReasoning, Action or a Notice to the agent
}

// action is a tool call and what became of it.
type action struct {
	api.Action
	seq     int64
	result  *api.ActionResult
	request *api.Request
	answer  *api.Answer
	// gated says that permission was judged: it may be carried out, unless a request is open.
	gated bool
	// lost says that an earlier sandbox may have begun to carry it out.
	lost bool
	// full is the input when the entry holds a shortened one.
	full json.RawMessage
}

// open reports whether a person has to answer first.
func (a *action) open() bool { return a.request != nil && a.answer == nil }

// input is what the tool is called with.
func (a *action) input() json.RawMessage {
	if a.full != nil {
		return a.full
	}
	return a.Input
}

func newConversation(as api.RunnerAssignment) *conversation {
	return &conversation{assignment: as, actions: map[string]*action{}, requests: map[string]*action{},
		whole: map[int]bool{}, images: map[string][]model.Image{}}
}

// load takes in the entries of earlier executions and marks what a lost sandbox left undone.
func (c *conversation) load(history []api.Entry) error {
	resumed := map[*action]bool{} // answered, and the run was at work afterwards
	for _, e := range history {
		data, err := e.Decode()
		if err != nil {
			if !e.Type.Valid() {
				continue // a newer server's entry
			}
			return fmt.Errorf("read entry %d: %w", e.Seq, err)
		}
		c.apply(e.Seq, data)
		// A move to INPROGRESS after the answer means that a sandbox may have acted on it. The move
		// of this very execution, not in the history the server promised, means nothing.
		if st, ok := data.(api.StateChange); ok && st.To == api.RunStateINPROGRESS &&
			(c.assignment.LastSeq == 0 || e.Seq <= c.assignment.LastSeq) {
			for _, a := range c.order {
				if a.result == nil && a.answer != nil {
					resumed[a] = true
				}
			}
		}
	}
	c.markLost(resumed)
	return nil
}

// markLost finds the actions that may have been begun. Actions run in order, so what comes after a
// request that no sandbox has gone on from was not.
func (c *conversation) markLost(resumed map[*action]bool) {
	for _, a := range c.pending() {
		switch {
		case a.request == nil:
			a.lost = true
		case !resumed[a]:
			return
		case a.request.Kind == api.RequestKindPermission:
			a.lost = true
		}
	}
}

// apply takes in one entry.
func (c *conversation) apply(seq int64, data api.EntryData) {
	switch d := data.(type) {
	case api.UserMessage:
		c.userMessage(seq, d)
	case api.AgentMessage:
		c.say(item{seq: seq, turn: d.Turn, data: d}, len(d.Text))
	case api.AgentReasoning:
		c.say(item{seq: seq, turn: d.Turn, data: d}, len(d.Text)+len(d.Opaque))
	case api.Action:
		c.action(seq, d)
	case api.ActionResult:
		c.result(d)
	case api.Request:
		if a := c.actions[d.ActionID]; a != nil {
			a.request, a.gated = &d, true
			c.requests[d.ID] = a
		}
	case api.Answer:
		c.answered(d)
	case api.Usage:
		if d.Turn > 0 {
			c.whole[d.Turn], c.spoken = true, false
			c.turn = max(c.turn, d.Turn)
			if d.ContextTokens > 0 {
				c.context, c.fresh = d.ContextTokens, 0
			}
		}
	case api.Compaction:
		c.summary = &d
		c.context, c.fresh = 0, c.size()
	case api.Notice:
		c.notice(seq, d)
	case api.StateChange:
		if d.To == api.RunStateBLOCKED && d.Waiting == api.WaitingCodeInterrupted {
			c.parked = true
		}
	}
}

func (c *conversation) userMessage(seq int64, d api.UserMessage) {
	if d.CommandID != 0 {
		c.taken = append(c.taken, d.CommandID)
		if d.MessageID == "" {
			c.consumed = append(c.consumed, d.CommandID)
		}
	}
	mode := d.Mode
	if len(c.items) == 0 && mode == "" {
		mode = c.assignment.Mode
	}
	if mode != "" {
		c.planning = mode == api.RunModePlan
		c.planned = c.planned || c.planning
	}
	c.items = append(c.items, item{seq: seq, turn: c.turn, data: d})
	c.fresh += len(d.Told())
	c.spoken, c.parked = true, false
}

// notice takes in what the agent is to know. A warning is something it may have to act on, even
// when it had come to an end.
func (c *conversation) notice(seq int64, d api.Notice) {
	if !d.Agent {
		return
	}
	c.items = append(c.items, item{seq: seq, turn: c.turn, data: d})
	c.fresh += len(d.Text)
	c.spoken = c.spoken || d.Level != api.NoticeInfo
}

func (c *conversation) say(it item, size int) {
	c.turn = max(c.turn, it.turn)
	c.items = append(c.items, it)
	c.fresh += size
	c.spoken = false
}

func (c *conversation) action(seq int64, d api.Action) {
	if c.actions[d.ID] != nil {
		return
	}
	a := &action{Action: d, seq: seq}
	c.actions[d.ID] = a
	c.order = append(c.order, a)
	c.say(item{seq: seq, turn: d.Turn, data: d}, len(d.Input))
}

func (c *conversation) result(d api.ActionResult) {
	if a := c.actions[d.ActionID]; a != nil && a.result == nil {
		a.result = &d
		if d.Name == waitName {
			c.cursor = max(c.cursor, waitedUpTo(d.Detail))
		}
		c.fresh += len(d.Output)
	}
}

func (c *conversation) answered(d api.Answer) {
	a := c.requests[d.RequestID]
	if a == nil || a.answer != nil || a.result != nil {
		return
	}
	a.answer = &d
	if a.request.Kind == api.RequestKindPlan && tool.PlanApproved(d) {
		c.planning = false
	}
}

// pending lists the actions without a result, in order.
func (c *conversation) pending() []*action {
	var out []*action
	for _, a := range c.order {
		if a.result == nil {
			out = append(out, a)
		}
	}
	return out
}

// needsModel reports whether it is the model's turn to speak.
func (c *conversation) needsModel() bool {
	if c.spoken || c.turn == 0 || !c.whole[c.turn] {
		return true
	}
	for _, a := range c.order {
		if a.Turn == c.turn {
			return true
		}
	}
	return false
}

// standing lists the calls allowed for the rest of the run.
func (c *conversation) standing() []permission.Call {
	var out []permission.Call
	for _, a := range c.order {
		if a.answer != nil && a.answer.Decision == api.AnswerDecisionAllowAlways && a.request.Kind == api.RequestKindPermission {
			out = append(out, permissionCall(a.Name, a.Input))
		}
	}
	return out
}

// approvedLost reports whether a person allowed exactly this call once before, and the sandbox was
// lost before its end was known. The permission then still stands.
func (c *conversation) approvedLost(name string, input json.RawMessage) *action {
	for _, a := range c.order {
		if a.lost && a.answer != nil && a.Name == name && string(a.Input) == string(input) &&
			a.answer.Decision == api.AnswerDecisionAllow {
			return a
		}
	}
	return nil
}

// size estimates the bytes of what the model is told.
func (c *conversation) size() int {
	n := 0
	if c.summary != nil {
		n += len(c.summary.Summary)
	}
	for _, it := range c.items {
		if c.dropped(it) {
			continue
		}
		n += c.itemSize(it)
	}
	return n
}

func (c *conversation) itemSize(it item) int {
	switch d := it.data.(type) {
	case api.UserMessage:
		return len(d.Told())
	case api.Notice:
		return len(d.Text)
	case api.AgentMessage:
		return len(d.Text)
	case api.AgentReasoning:
		return len(d.Text) + len(d.Opaque)
	case api.Action:
		n := len(d.Input)
		if a := c.actions[d.ID]; a != nil && a.result != nil {
			n += len(a.result.Output)
		}
		return n
	}
	return 0
}

// dropped reports whether the summary stands for an item.
func (c *conversation) dropped(it item) bool { return c.summary != nil && it.seq <= c.summary.UpTo }

// permissionCall is how a call is judged.
func permissionCall(name string, input json.RawMessage) permission.Call {
	if name == bashName {
		return permission.Call{Tool: name, Subject: new(tool.Bash).Command(input), Shell: true}
	}
	return permission.Call{Tool: name}
}

const bashName = "bash"
