package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// phase shows a step of the sandbox's preparation once it is over, or when it begins if it runs a
// command somebody may wait for.
func (p *Printer) phase(d api.Phase) {
	name := term.CleanLine(d.Name)
	if d.Command != "" {
		name += " " + p.style.Dim(term.Shorten(term.CleanLine(d.Command), 90))
	}
	took := p.style.Dim((time.Duration(d.DurationMS) * time.Millisecond).String())
	switch d.State {
	case api.PhaseRunning:
		if d.Command != "" {
			p.line(p.style.Dim("◇ " + term.CleanLine(d.Name) + " …"))
		}
	case api.PhaseFailed:
		p.line(p.style.Red("◆ ") + name + " " + p.style.Red("failed") + " " + took)
		p.clipped("    ", d.Output, maxOutputLines, p.transcript(), p.style.Dim)
		p.bullet("  "+p.style.Yellow("→"), d.Advice, p.style.Yellow)
	default:
		p.line(p.style.Dim("◆ ") + name + " " + took)
	}
}

// state shows a move of the run and why.
func (p *Printer) state(d api.StateChange) {
	s := string(d.To)
	switch d.To {
	case api.RunStateSUCCEEDED:
		s = p.style.Green(s)
	case api.RunStateFAILED, api.RunStateERROR:
		s = p.style.Red(s)
	case api.RunStateBLOCKED:
		s = p.style.Yellow(s)
	default:
		s = p.style.Dim(term.CleanLine(s))
	}
	why := term.CleanLine(d.Message)
	if d.ErrorCode != "" {
		why = strings.TrimSpace(why + " (" + term.CleanLine(string(d.ErrorCode)) + ")")
	}
	if d.Waiting != "" && why == "" {
		why = term.CleanLine(string(d.Waiting))
	}
	if why != "" {
		why = ": " + why
	}
	p.line("— " + s + why)
}

func (p *Printer) execution(d api.ExecutionEvent) {
	text := fmt.Sprintf("execution %d %s", d.Number, d.Event)
	if d.Host != "" {
		text += " on " + d.Host
	}
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	p.line(p.style.Dim("· " + term.CleanLine(text)))
}

// request shows what the run wants to know and how to answer.
func (p *Printer) request(d api.Request) {
	p.bullet(p.style.Yellow("✋"), d.Prompt, p.style.Bold)
	if len(d.Input) > 0 {
		p.clipped("    ", string(d.Input), 12, p.transcript(), p.style.Dim)
	}
	for _, option := range d.Options {
		p.line("    " + p.style.Dim("○") + " " + term.CleanLine(option))
	}
	hint := fmt.Sprintf("%s approve %s   (or --deny, --always)", p.command, p.runID)
	if d.Kind == api.RequestKindQuestion {
		hint = fmt.Sprintf("%s answer %s ", p.command, p.runID)
		if len(d.Options) > 0 {
			hint += "--choice '" + term.CleanLine(strings.ReplaceAll(d.Options[0], "'", "")) + "'"
		} else {
			hint += "'your words'"
		}
	}
	p.line("  answer with: " + p.style.Cyan(hint))
}

func (p *Printer) answer(d api.Answer) {
	words := []string{}
	switch d.Decision {
	case api.AnswerDecisionAllow:
		words = append(words, "allowed")
	case api.AnswerDecisionAllowAlways:
		words = append(words, "allowed, and everything alike")
	case api.AnswerDecisionDeny:
		words = append(words, "denied")
	}
	words = append(words, d.Choices...)
	if d.Text != "" {
		words = append(words, d.Text)
	}
	by := d.By.DisplayName
	if by != "" {
		by = " by " + by
	}
	p.bullet(p.style.Bold("›"), strings.Join(words, "; ")+by, p.style.Bold)
}

// addUsage sums model calls; Total shows the sum.
func (p *Printer) addUsage(d api.Usage) {
	p.usage.InputTokens += d.InputTokens + d.CacheReadTokens + d.CacheWriteTokens
	p.usage.OutputTokens += d.OutputTokens
	p.usage.CostUSD += d.CostUSD
	p.usage.Turn++
}

// Total shows what the session's model calls consumed, if it saw any.
func (p *Printer) Total() {
	if p.usage.Turn == 0 {
		return
	}
	p.line(p.style.Dim(fmt.Sprintf("· %d model calls, %d tokens in, %d out, $%.4f",
		p.usage.Turn, p.usage.InputTokens, p.usage.OutputTokens, p.usage.CostUSD)))
}

// Waits shows what a run that does not move waits for.
func (p *Printer) Waits(message string, since time.Time) {
	p.line(p.style.Yellow("⏳ ") + term.CleanLine(message) + p.style.Dim(" (since "+since.Local().Format(time.TimeOnly)+")"))
}

// Lost shows that the connection to the server is gone and is being made again.
func (p *Printer) Lost(err error, retry time.Duration) {
	p.line(p.style.Dim(fmt.Sprintf("· connection lost (%s); trying again in %s", term.CleanLine(err.Error()), retry.Round(100*time.Millisecond))))
}

// Settle ends a line left open.
func (p *Printer) Settle() { p.settle() }
