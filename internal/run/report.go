package run

import (
	"slices"

	"github.com/cadrehq/cadre/api"
)

// maxMessage bounds a status message, in bytes; longer ones are cut.
const maxMessage = 16 << 10

// reportable are the states a runner may report.
var reportable = []api.RunState{
	api.RunStateINPROGRESS, api.RunStateBLOCKED, api.RunStateSUCCEEDED,
	api.RunStateFAILED, api.RunStateERROR, api.RunStateCANCELLED,
}

func checkReport(r api.RunnerReport) (api.RunnerReport, error) {
	if !slices.Contains(reportable, r.State) {
		return r, api.Invalid("report.state", "%q is not for a runner to report", clip(string(r.State), 64))
	}
	known := slices.ContainsFunc(api.Codes, func(c api.Code) bool { return c.Name == r.ErrorCode })
	if r.ErrorCode != "" && !known {
		return r, api.Invalid("report.error_code", "%q is not an error code", clip(string(r.ErrorCode), 64))
	}
	if r.Waiting != "" && (sentence(r.Waiting) == "" || (r.Waiting == api.WaitingCodeMessages) != (r.State == api.RunStateINPROGRESS)) {
		return r, api.Invalid("report.waiting", "%q is no reason for a run to wait %s", clip(string(r.Waiting), 64), r.State)
	}
	r.Message = clip(r.Message, maxMessage)
	return r, nil
}

// sentence says what an agent waits for.
func sentence(code api.WaitingCode) string {
	switch code {
	case api.WaitingCodePermission:
		return "Waits for permission to go on."
	case api.WaitingCodeQuestion:
		return "Waits for an answer to its question."
	case api.WaitingCodePlan:
		return "Waits for its plan to be approved."
	case api.WaitingCodeInterrupted:
		return "Interrupted; waits for the next message."
	case api.WaitingCodeBudget:
		return "The budget is spent; waits for more."
	case api.WaitingCodeMessages:
		return "Waits for messages or for its children."
	}
	return ""
}

// report applies what the runner says, by the table of moves. Repeating a report has no effect, nor
// has one that came too late.
func (t *turn) report(r api.RunnerReport) error {
	switch {
	case r.State == api.RunStateINPROGRESS:
		return t.reportWorking(r.Waiting)
	case r.State == api.RunStateBLOCKED:
		return t.reportBlocked(r)
	case t.run.State.Ended():
		return nil
	}
	return t.reportEnd(r)
}

// settle makes the state follow what is asked: a run that asked something is BLOCKED, one whose
// agent went on without the answer is not.
func (t *turn) settle() error {
	switch {
	case len(t.open) > 0 && t.run.State == api.RunStateINPROGRESS:
		code := waitingFor(t.open[0].Kind)
		why := sentence(code)
		return t.move(api.RunStateBLOCKED, ByRunner, status{message: why, waiting: code, why: why})
	case len(t.open) == 0 && len(t.before.Requests) > 0 && t.run.State == api.RunStateBLOCKED:
		return t.move(api.RunStateINPROGRESS, ByRunner, status{})
	}
	return nil
}

func waitingFor(kind api.RequestKind) api.WaitingCode {
	switch kind {
	case api.RequestKindPermission:
		return api.WaitingCodePermission
	case api.RequestKindPlan:
		return api.WaitingCodePlan
	}
	return api.WaitingCodeQuestion
}

// reportWorking: the agent works. It shows that the agent took up its answers; while something is
// still open the run stays BLOCKED.
func (t *turn) reportWorking(waits api.WaitingCode) error {
	switch {
	case t.run.State == api.RunStateINPROGRESS && waits != t.run.Waiting.Code:
		// Still the same turn: nothing that steers it is over.
		t.run.Waiting = waiting(t.run.Waiting, waits, sentence(waits), t.now)
		t.event(EventWaiting, t.run.Waiting.Message)
		return t.settle()
	case t.run.State == api.RunStateINPROGRESS:
		t.takenUp()
		return t.settle()
	case waits != "":
		return nil // it crossed with what ended the wait
	case len(t.open) > 0:
		return nil
	case t.run.State.Ended() && !t.messagesWait() && len(t.change.Consumed) == 0:
		// Only a message sets an ended run going again.
		return &MoveError{From: t.run.State, To: api.RunStateINPROGRESS, By: ByRunner}
	}
	t.takenUp()
	return t.move(api.RunStateINPROGRESS, ByRunner, status{})
}

// takenUp consumes the answer the agent went on with, and interrupts of a turn that is over. Only
// the oldest answer is known to have arrived: a later one may still be on its way.
func (t *turn) takenUp() {
	oldest := int64(0)
	for _, c := range t.wait {
		if c.Kind == api.CommandKindAnswer && (oldest == 0 || c.ID < oldest) {
			oldest = c.ID
		}
	}
	t.consume(func(c Command) bool { return c.Kind == api.CommandKindInterrupt || c.ID == oldest })
}

// steered consumes answers and interrupts of a turn that is over. What was said stays for the next one.
func (t *turn) steered() {
	t.consume(func(c Command) bool { return c.Kind != api.CommandKindFollowUp && c.Kind != api.CommandKindMessage })
}

// reportBlocked: the agent waits for a person. A report that crossed with the answer, or with a
// message that sets the agent going again, has no effect.
func (t *turn) reportBlocked(r api.RunnerReport) error {
	if len(t.open) > 0 {
		return t.settle()
	}
	switch r.Waiting {
	case api.WaitingCodePermission, api.WaitingCodeQuestion, api.WaitingCodePlan:
		return t.settle()
	case "":
		r.Waiting = api.WaitingCodeQuestion
	}
	t.steered()
	if t.spokenTo() {
		return t.settle()
	}
	why := orElse(r.Message, sentence(r.Waiting))
	if t.run.State == api.RunStateBLOCKED {
		t.run.Message, t.run.Waiting = why, waiting(t.run.Waiting, r.Waiting, why, t.now)
		return nil
	}
	return t.move(api.RunStateBLOCKED, ByRunner, status{message: why, waiting: r.Waiting, why: why})
}

// reportEnd: the agent's work is over. Success with a message waiting is only the end of a turn.
func (t *turn) reportEnd(r api.RunnerReport) error {
	t.steered()
	if r.State == api.RunStateSUCCEEDED && t.messagesWait() {
		t.closeRequests("The agent went on without an answer.")
		return t.settle()
	}
	s := status{message: r.Message}
	if r.State == api.RunStateFAILED || r.State == api.RunStateERROR {
		s.code = r.ErrorCode
		if s.code == "" && r.State == api.RunStateERROR {
			s.code = api.PlatformErrorCodeInternalError
		}
		s.retryable = s.code != "" && api.LookupCode(s.code).Retryable
	}
	if err := t.move(r.State, ByRunner, s); err != nil {
		return err
	}
	if r.State == api.RunStateCANCELLED {
		t.consume(func(Command) bool { return true })
	}
	return nil
}
