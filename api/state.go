package api

// AllRunStates lists the states of a run in the order a run can pass through them.
var AllRunStates = []RunState{
	RunStateQUEUED, RunStatePENDING, RunStateCLAIMED, RunStateINPROGRESS,
	RunStateSUCCEEDED, RunStateFAILED, RunStateERROR, RunStateBLOCKED, RunStateCANCELLED,
}

// Working reports whether the platform still has to act on a run in this state by itself.
func (s RunState) Working() bool {
	switch s {
	case RunStateQUEUED, RunStatePENDING, RunStateCLAIMED, RunStateINPROGRESS:
		return true
	}
	return false
}

// Ended reports whether the run's work is over until somebody speaks to it again. BLOCKED has not
// ended: it waits for an answer. (Contract section 3 calls BLOCKED terminal for polling clients.)
func (s RunState) Ended() bool {
	switch s {
	case RunStateSUCCEEDED, RunStateFAILED, RunStateERROR, RunStateCANCELLED:
		return true
	}
	return false
}
