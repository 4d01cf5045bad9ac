package cli

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
	"github.com/cadrehq/cadre/internal/cli/view"
)

// followOptions say what of a session is shown and what its end means.
type followOptions struct {
	runID string
	after int64 // number of the last entry already known
	// exitStatus makes the program exit 1 unless the run SUCCEEDED.
	exitStatus bool
	// deltas adds fragments to ndjson.
	deltas bool
	// untilRest ends once the run needs somebody: BLOCKED, as well as ended.
	untilRest bool
}

func (a *app) runFollowCommand() *cobra.Command {
	var o followOptions
	c := &cobra.Command{Use: "follow RUN_ID", Aliases: []string{"watch", "attach"}, Short: "Watch the session of a run until it ends", Args: oneRun,
		Long: `Shows what was said and done so far, then what happens live: messages, commands with their output,
changes, the plan, start-up phases, questions with how to answer them, and every change of state with
its reason. A lost connection is made again without gap or repeat.

With --output-format ndjson (or json) every entry is one JSON object per line, as the API has it.`,
		Example: `  cadre run follow RUN_ID
  cadre run follow RUN_ID --exit-status && deploy
  cadre run follow RUN_ID --output-format ndjson | jq 'select(.type == "agent_message") | .data.text'`}
	fs := c.Flags()
	fs.Int64Var(&o.after, "after", 0, "begin after the entry with this `number`")
	fs.BoolVar(&o.exitStatus, "exit-status", false, "exit 1 unless the run SUCCEEDED")
	fs.BoolVar(&o.deltas, "deltas", false, "ndjson: also print fragments of unfinished entries, as {\"delta\":…}")
	fs.BoolVar(&o.untilRest, "until-blocked", false, "also end when the run waits for a person")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		o.runID = args[0]
		return a.follow(cmd.Context(), cl, o)
	})
}

// follow shows a session until its end.
func (a *app) follow(ctx context.Context, cl *client.Client, o followOptions) error {
	show := a.sessionPrinter(o)
	defer show.tellWaits(ctx, cl)()
	var last api.RunState
	for ev, err := range cl.Follow(ctx, o.runID, o.after) {
		if err != nil {
			_ = show.end() // the other error tells more
			return fmt.Errorf("follow run %s: %w", o.runID, err)
		}
		if err := show.event(ev); err != nil {
			return err
		}
		if s, ok := stateOf(ev); ok {
			last = s
		}
		if o.untilRest && last == api.RunStateBLOCKED {
			break
		}
	}
	if err := show.end(); err != nil {
		return err
	}
	if !o.exitStatus {
		return nil
	}
	// The last state entry says how the run ended, unless the caller began after it.
	if last == "" {
		r, err := cl.GetRun(ctx, o.runID)
		if err != nil {
			return err
		}
		last = r.State
	}
	if last != api.RunStateSUCCEEDED {
		return exitStatus(exitFailure)
	}
	return nil
}

// stateOf is the state an event moved the run to.
func stateOf(ev client.Event) (api.RunState, bool) {
	if ev.Entry == nil || ev.Entry.Type != api.EntryTypeState {
		return "", false
	}
	data, err := ev.Entry.Decode()
	move, ok := data.(api.StateChange)
	return move.To, err == nil && ok
}

// sessionPrinter writes the events of a session in one of the formats.
type sessionPrinter struct {
	a      *app
	runID  string
	mu     sync.Mutex    // tellWaits writes beside the caller
	people *view.Printer // nil for machines
	deltas bool
	moving bool // an execution has begun
}

func (a *app) sessionPrinter(o followOptions) *sessionPrinter {
	p := &sessionPrinter{a: a, runID: o.runID, deltas: o.deltas}
	if !a.settings.format.machine() {
		p.people = view.New(a.Stdout, a.style, a.typed()+" run", term.CleanLine(o.runID))
	}
	return p
}

// waitTold is how long a run may stand still before a person is told what it waits for, and how often
// that is looked up.
const waitTold = 2 * time.Second

// tellWaits says, while no worker has taken the run, what it waits for. The session itself begins only
// then. It ends when the function returned is called.
func (p *sessionPrinter) tellWaits(ctx context.Context, cl *client.Client) (stop func()) {
	if p.people == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		told := ""
		for tick := time.NewTicker(waitTold); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
			r, err := cl.GetRun(ctx, p.runID)
			p.mu.Lock()
			moving := p.moving
			if err == nil && !moving && r.State.Working() && r.Waiting.Message != told {
				told = r.Waiting.Message
				p.people.Waits(told, r.Waiting.Since)
			}
			p.mu.Unlock()
			if moving || err == nil && !r.State.Working() {
				tick.Stop()
				return
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

func (p *sessionPrinter) event(ev client.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ev.Entry != nil && ev.Entry.Type == api.EntryTypeExecution {
		p.moving = true
	}
	if p.people == nil {
		return p.line(ev)
	}
	switch {
	case ev.Entry != nil:
		p.people.Entry(*ev.Entry)
	case ev.Delta != nil:
		p.people.Delta(*ev.Delta)
	case ev.Lost != nil:
		p.people.Lost(ev.Lost, ev.Retry)
	}
	return p.people.Err()
}

// line writes an event for programs: one JSON object per line.
func (p *sessionPrinter) line(ev client.Event) error {
	var v any
	switch {
	case ev.Entry != nil:
		v = ev.Entry
	case ev.Delta != nil && p.deltas:
		v = map[string]any{"delta": ev.Delta}
	default:
		if ev.Lost != nil {
			p.a.log.Info("connection lost", "error", ev.Lost, "retry", ev.Retry)
		}
		return nil
	}
	b, err := marshal(v)
	if err != nil {
		return err
	}
	_, err = p.a.Stdout.Write(append(term.JSON(b), '\n'))
	return err
}

func (p *sessionPrinter) end() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.people == nil {
		return nil
	}
	p.people.Settle()
	p.people.Total()
	return p.people.Err()
}
