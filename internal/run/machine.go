package run

import (
	"errors"
	"fmt"

	"github.com/cadrehq/cadre/api"
)

// Cause says who makes a run move.
type Cause string

// The causes.
const (
	ByPerson   Cause = "person"   // a caller of the public API, or an agent in that role
	ByDispatch Cause = "dispatch" // the server's own placing, leasing and reaping
	ByWorker   Cause = "worker"   // placement and process facts
	ByRunner   Cause = "runner"   // what the agent's process reports
)

// AllCauses lists the causes.
var AllCauses = []Cause{ByPerson, ByDispatch, ByWorker, ByRunner}

// none is the state of a run before it exists.
const none api.RunState = ""

// move is one legal change of state. A run moves only along these.
type move struct {
	from, to api.RunState
	event    EventType
	by       []Cause
}

// moves is the one table of legal moves (contract http-api section 3). What is not in it is refused
// with a MoveError.
var moves = []move{
	{none, api.RunStateQUEUED, EventCreated, []Cause{ByPerson}},
	{none, api.RunStateCLAIMED, EventCreated, []Cause{ByPerson}}, // a local run begins with its execution
	{none, api.RunStateBLOCKED, EventCreated, []Cause{ByPerson}}, // a fork that was not told what to do

	{api.RunStateQUEUED, api.RunStatePENDING, EventPending, []Cause{ByDispatch}},
	{api.RunStateQUEUED, api.RunStateFAILED, EventFailed, []Cause{ByDispatch}},
	{api.RunStateQUEUED, api.RunStateERROR, EventErrored, []Cause{ByDispatch}},
	{api.RunStateQUEUED, api.RunStateCANCELLED, EventCancelled, []Cause{ByPerson}},

	{api.RunStatePENDING, api.RunStateQUEUED, EventQueued, []Cause{ByDispatch, ByWorker}},
	{api.RunStatePENDING, api.RunStateCLAIMED, EventClaimed, []Cause{ByWorker, ByRunner}}, // a lost claim shows by its runner
	{api.RunStatePENDING, api.RunStateFAILED, EventFailed, []Cause{ByDispatch, ByWorker}},
	{api.RunStatePENDING, api.RunStateERROR, EventErrored, []Cause{ByDispatch, ByWorker}},

	{api.RunStateCLAIMED, api.RunStateQUEUED, EventQueued, []Cause{ByDispatch, ByWorker, ByRunner}},
	{api.RunStateCLAIMED, api.RunStateINPROGRESS, EventInProgress, []Cause{ByRunner}},
	{api.RunStateCLAIMED, api.RunStateFAILED, EventFailed, []Cause{ByDispatch, ByWorker, ByRunner}},
	{api.RunStateCLAIMED, api.RunStateERROR, EventErrored, []Cause{ByDispatch, ByWorker, ByRunner}},
	{api.RunStateCLAIMED, api.RunStateCANCELLED, EventCancelled, []Cause{ByPerson, ByRunner}},

	{api.RunStateINPROGRESS, api.RunStateQUEUED, EventQueued, []Cause{ByDispatch, ByWorker, ByRunner}},
	{api.RunStateINPROGRESS, api.RunStateSUCCEEDED, EventSucceeded, []Cause{ByRunner}},
	{api.RunStateINPROGRESS, api.RunStateFAILED, EventFailed, []Cause{ByDispatch, ByWorker, ByRunner}},
	{api.RunStateINPROGRESS, api.RunStateERROR, EventErrored, []Cause{ByDispatch, ByWorker, ByRunner}},
	{api.RunStateINPROGRESS, api.RunStateBLOCKED, EventBlocked, []Cause{ByRunner}},
	{api.RunStateINPROGRESS, api.RunStateCANCELLED, EventCancelled, []Cause{ByPerson, ByRunner}},

	// BLOCKED waits for a person; the agent may also stop waiting by itself.
	{api.RunStateBLOCKED, api.RunStateQUEUED, EventQueued, []Cause{ByPerson}},
	{api.RunStateBLOCKED, api.RunStateINPROGRESS, EventInProgress, []Cause{ByPerson, ByRunner}},
	{api.RunStateBLOCKED, api.RunStateSUCCEEDED, EventSucceeded, []Cause{ByRunner}},
	{api.RunStateBLOCKED, api.RunStateFAILED, EventFailed, []Cause{ByRunner}},
	{api.RunStateBLOCKED, api.RunStateERROR, EventErrored, []Cause{ByRunner}},
	{api.RunStateBLOCKED, api.RunStateCANCELLED, EventCancelled, []Cause{ByPerson, ByRunner}},

	// An ended run goes on when somebody speaks to it. A message given just before a failure is taken
	// up by the runner if it still lives.
	{api.RunStateSUCCEEDED, api.RunStateQUEUED, EventQueued, []Cause{ByPerson}},
	{api.RunStateSUCCEEDED, api.RunStateINPROGRESS, EventInProgress, []Cause{ByPerson, ByRunner}},
	{api.RunStateFAILED, api.RunStateQUEUED, EventQueued, []Cause{ByPerson}},
	{api.RunStateFAILED, api.RunStateINPROGRESS, EventInProgress, []Cause{ByPerson, ByRunner}},
	{api.RunStateERROR, api.RunStateQUEUED, EventQueued, []Cause{ByPerson}},
	{api.RunStateERROR, api.RunStateINPROGRESS, EventInProgress, []Cause{ByPerson, ByRunner}},
	{api.RunStateCANCELLED, api.RunStateQUEUED, EventQueued, []Cause{ByPerson}},
}

// ErrMove is matched by every MoveError.
var ErrMove = errors.New("illegal move")

// MoveError refuses a move that is not in the table.
type MoveError struct {
	From, To api.RunState
	By       Cause
}

func (e *MoveError) Error() string {
	return fmt.Sprintf("a %s run cannot become %s by its %s", e.From, e.To, e.By)
}

// Is matches ErrMove.
func (e *MoveError) Is(target error) bool { return target == ErrMove }

// legal returns the event of a move, or a MoveError.
func legal(from, to api.RunState, by Cause) (EventType, error) {
	for _, m := range moves {
		if m.from != from || m.to != to {
			continue
		}
		for _, c := range m.by {
			if c == by {
				return m.event, nil
			}
		}
	}
	return "", &MoveError{From: from, To: to, By: by}
}
