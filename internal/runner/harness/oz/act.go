package oz

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/model"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/permission"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

const (
	lostText = "The sandbox was lost while this was under way. It may have been carried out wholly, partly or not at all, and the " +
		"workspace may be the last snapshot's. Look before you repeat it."
	notBegunText = "Not carried out: the sandbox was lost before."
	maxParallel  = 8
)

// act carries out the calls without a result, in order. It returns an Outcome when a person has to
// answer first.
func (a *Agent) act(ctx, work context.Context) (*harness.Outcome, error) {
	if err := a.settleLost(ctx); err != nil {
		return nil, err
	}
	if err := a.settleAnswers(ctx); err != nil {
		return nil, err
	}
	if err := a.gate(ctx); err != nil {
		return nil, err
	}
	for {
		pending := a.conv.pending()
		if len(pending) == 0 {
			return nil, nil
		}
		if pending[0].open() {
			return blockedBy(pending[0]), nil
		}
		if work.Err() != nil {
			return nil, context.Cause(work)
		}
		if err := a.carryOut(ctx, work, a.together(pending)); err != nil {
			return nil, err
		}
	}
}

// together is the longest beginning of the calls that may run at the same time.
func (a *Agent) together(pending []*action) []*action {
	n := 0
	for n < len(pending) && n < maxParallel && !pending[n].open() && a.tools.readOnly(pending[n].Name) {
		n++
	}
	return pending[:max(n, 1)]
}

// settleLost gives a result to what an earlier sandbox may have begun, and to what came after it in
// its turn: the model decides what to do about it.
func (a *Agent) settleLost(ctx context.Context) error {
	var results []api.EntryData
	lost := false
	for _, act := range a.conv.pending() {
		switch {
		case act.lost && !lost:
			lost = true
			results = append(results, a.plainResult(act, api.ActionStateFailed, lostText))
		case lost && act.request == nil:
			results = append(results, a.plainResult(act, api.ActionStateFailed, notBegunText))
		}
	}
	return a.append(ctx, results...)
}

// settleAnswers turns answers into results, except permissions to go on.
func (a *Agent) settleAnswers(ctx context.Context) error {
	var results []api.EntryData
	for _, act := range a.conv.pending() {
		if act.request == nil || act.answer == nil {
			continue
		}
		if asker, ok := a.tools.get(act.Name).(tool.Asker); ok && act.request.Kind != api.RequestKindPermission {
			res := asker.Answered(act.input(), *act.answer)
			results = append(results, a.plainResult(act, api.ActionStateCompleted, res.Text))
			continue
		}
		switch act.answer.Decision {
		case api.AnswerDecisionAllow:
		case api.AnswerDecisionAllowAlways:
			a.policy.AllowAlways(a.permissionCall(act))
		default:
			text := "Denied by the person."
			if act.answer.Text != "" {
				text += " They say: " + act.answer.Text
			}
			results = append(results, a.plainResult(act, api.ActionStateDenied, text))
		}
	}
	return a.append(ctx, results...)
}

// gate judges every call of the turn before the first is carried out, so that a person sees all
// that is asked at once.
func (a *Agent) gate(ctx context.Context) error {
	var data []api.EntryData
	for _, act := range a.conv.pending() {
		if !act.gated {
			act.gated = true
			data = append(data, a.judge(ctx, act)...)
		}
	}
	return a.append(ctx, data...)
}

// judge returns the entries that deny a call or ask about it; none lets it pass.
func (a *Agent) judge(ctx context.Context, act *action) []api.EntryData {
	t := a.tools.get(act.Name)
	if t == nil {
		return []api.EntryData{a.plainResult(act, api.ActionStateFailed, fmt.Sprintf("There is no tool %q.", act.Name))}
	}
	if a.conv.planning && !t.Spec().ReadOnly && (act.Name != bashName || !permission.ReadsOnly(a.permissionCall(act).Subject)) {
		return []api.EntryData{a.plainResult(act, api.ActionStateDenied,
			"Nothing may be changed while planning. Look around with reading tools, then submit_plan.")}
	}
	verdict := a.policy.Decide(a.permissionCall(act))
	if verdict.Decision == permission.Deny {
		return []api.EntryData{a.plainResult(act, api.ActionStateDenied, "Not permitted: "+verdict.Rule+".")}
	}
	req := api.Request{Kind: api.RequestKindPermission, Prompt: permissionPrompt(act, verdict.Rule)}
	if asker, ok := t.(tool.Asker); ok {
		var extra []api.EntryData
		var err error
		if req, extra, err = asker.Ask(ctx, act.input()); err != nil {
			return []api.EntryData{a.plainResult(act, api.ActionStateFailed, err.Error())}
		}
		req.ID, req.ActionID, req.Action = "req_"+act.ID, act.ID, act.Name
		return append(extra, req)
	}
	if verdict.Decision == permission.Allow {
		return nil
	}
	if before := a.conv.approvedLost(act.Name, act.Input); before != nil {
		before.answer = nil // the permission was for once
		return nil
	}
	req.ID, req.ActionID, req.Action, req.Input = "req_"+act.ID, act.ID, act.Name, act.Input
	return []api.EntryData{req}
}

func permissionPrompt(act *action, rule string) string {
	what := act.Name + " " + clip(string(act.Input), 2000)
	if act.Name == bashName {
		what = clip(new(tool.Bash).Command(act.Input), 4000)
	}
	return fmt.Sprintf("Allow %s?\n\n%s\n\n(%s)", act.Name, what, rule)
}

func (a *Agent) permissionCall(act *action) permission.Call {
	c := permissionCall(act.Name, act.input())
	if s, ok := a.tools.get(act.Name).(tool.Subjecter); ok {
		c.Subject, c.Real = s.Subject(act.input())
	}
	return c
}

func blockedBy(act *action) *harness.Outcome {
	out := &harness.Outcome{State: api.RunStateBLOCKED, Message: clip(act.request.Prompt, 500), Waiting: api.WaitingCodePermission}
	switch act.request.Kind {
	case api.RequestKindQuestion:
		out.Waiting = api.WaitingCodeQuestion
	case api.RequestKindPlan:
		out.Waiting = api.WaitingCodePlan
	}
	return out
}

// done is what one call came to.
type done struct {
	entries []api.EntryData
	images  []model.Image
	err     error
}

// carryOut runs calls at the same time and records them in their order.
func (a *Agent) carryOut(ctx, work context.Context, acts []*action) error {
	results := make([]done, len(acts))
	var wg sync.WaitGroup
	for i, act := range acts {
		wg.Go(func() { results[i] = a.run(ctx, work, act) })
	}
	wg.Wait()
	var data []api.EntryData
	var first error
	for i, r := range results {
		data = append(data, r.entries...)
		if len(r.images) > 0 {
			a.conv.images[acts[i].ID] = r.images
		}
		if first == nil {
			first = r.err
		}
	}
	if err := a.append(ctx, data...); err != nil {
		return err
	}
	return first
}

// run carries out one call and makes its entries.
func (a *Agent) run(ctx, work context.Context, act *action) done {
	key := fmt.Sprintf("e%d.%s", a.s.Assignment.Execution, act.ID)
	out := tool.NewOutput(a.outputBytes(), a.blobBytes(), a.s.ScratchDir, func(offset int64, text string) {
		a.s.Sink.Delta(api.Delta{Key: key, Kind: api.DeltaKindOutput, Offset: offset, Text: text})
	})
	defer func() { _ = out.Close() }()
	began := a.cfg.Now()
	res, err := a.safely(work, act, out)
	_, _ = io.WriteString(quiet{out}, res.Text+a.rules.near(a.workspace, res.Touched))
	r := api.ActionResult{ActionID: act.ID, Key: key, Category: act.Category, Name: act.Name, State: api.ActionStateCompleted,
		ExitCode: res.ExitCode, DurationMS: a.cfg.Now().Sub(began).Milliseconds(), Detail: a.detail(res.Detail)}
	if res.Failed {
		r.State = api.ActionStateFailed
	}
	a.fillOutput(ctx, &r, out)
	return done{entries: append(res.Entries, r), images: res.Images, err: err}
}

// quiet hides the streaming of an Output: text that comes with the result is not streamed.
type quiet struct{ out *tool.Output }

func (q quiet) Write(b []byte) (int, error) { return q.out.WriteQuiet(b) }

// fillOutput puts the output into a result, and the whole of a long one into a blob.
func (a *Agent) fillOutput(ctx context.Context, r *api.ActionResult, out *tool.Output) {
	r.Output, r.OmittedBytes = out.Text()
	whole, missing, err := out.Whole()
	if err == nil && whole != nil {
		var ref api.BlobRef
		if ref, err = a.s.Sink.PutBlob(ctx, api.BlobKindOutput, "output-"+r.ActionID+".txt", whole); err == nil {
			r.Blob = ref.BlobId
		}
	}
	if err != nil && ctx.Err() == nil {
		r.Output += fmt.Sprintf("\n[the whole output could not be kept: %v]", err)
	}
	if missing > 0 {
		r.Output += fmt.Sprintf("\n[the stored whole lacks its last %d bytes]", missing)
	}
	for limit := a.outputBytes(); encodedLen(r.Output) > a.entryBytes()*3/4 && limit > 512; limit /= 2 {
		before := len(r.Output)
		r.Output = clip(r.Output, limit)
		r.OmittedBytes += int64(max(before-len(r.Output), 0))
	}
}

func encodedLen(s string) int {
	b, _ := json.Marshal(s)
	return len(b)
}

func (a *Agent) outputBytes() int { return min(a.cfg.OutputBytes, a.entryBytes()/2) }

// safely runs a tool; a tool that panics has failed, and the agent goes on.
func (a *Agent) safely(ctx context.Context, act *action, out io.Writer) (res tool.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			a.s.Log.Error("tool panicked", "run_id", a.s.Assignment.RunId, "tool", act.Name, "panic", p, "stack", string(debug.Stack()))
			res, err = tool.Failf("the tool failed by an internal error"), nil
		}
	}()
	return a.tools.get(act.Name).Run(ctx, tool.Call{ID: act.ID, Input: act.input(), Out: out})
}

func (a *Agent) detail(d any) json.RawMessage {
	if d == nil {
		return nil
	}
	b, err := json.Marshal(d)
	if err != nil || len(b) > a.entryBytes()/4 {
		return json.RawMessage(`{"clipped":true}`)
	}
	return b
}

// plainResult is a result that no tool produced.
func (a *Agent) plainResult(act *action, state api.ActionState, text string) api.ActionResult {
	return api.ActionResult{ActionID: act.ID, Category: act.Category, Name: act.Name, State: state,
		Output: clip(strings.ToValidUTF8(text, "\uFFFD"), a.outputBytes())}
}
