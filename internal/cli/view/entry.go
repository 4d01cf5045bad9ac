package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// Entry shows a finished entry. One of a newer server's types is left out.
func (p *Printer) Entry(e api.Entry) {
	data, err := e.Decode()
	if err != nil {
		return
	}
	p.seq = e.Seq
	switch d := data.(type) {
	case api.UserMessage:
		p.userMessage(d)
	case api.AgentMessage:
		if !p.finish(d.Key, d.Text, api.DeltaKindText) {
			p.bullet(p.style.Cyan("●"), d.Text, plain)
		}
	case api.AgentReasoning:
		p.reasoning(d)
	case api.Action:
		p.action(d)
	case api.ActionResult:
		p.result(d)
	case api.Request:
		p.request(d)
	case api.Answer:
		p.answer(d)
	case api.Plan:
		p.plan(d)
	case api.Phase:
		p.phase(d)
	case api.StateChange:
		p.state(d)
	case api.Usage:
		p.addUsage(d)
	case api.ArtifactReport:
		p.artifact(d)
	case api.Notice:
		p.notice(d)
	case api.Compaction:
		p.line(p.style.Dim("· the conversation so far was summarised for the model; the record keeps all of it"))
	case api.ExecutionEvent:
		p.execution(d)
	}
}

// bullet writes text behind a mark, further lines indented.
func (p *Printer) bullet(mark, text string, style func(string) string) {
	text = strings.TrimSpace(term.Clean(text))
	if text == "" {
		return
	}
	for i, line := range strings.Split(text, "\n") {
		if i == 0 {
			p.line(mark + " " + style(line))
		} else {
			p.line("  " + style(line))
		}
	}
}

// maxPromptLines is how much of a message is shown; the person knows what they said.
const maxPromptLines = 12

func (p *Printer) userMessage(d api.UserMessage) {
	text, script := withoutScript(d.Text)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > maxPromptLines {
		lines = append(lines[:maxPromptLines], fmt.Sprintf("… %d more lines", len(lines)-maxPromptLines))
	}
	if d.MessageID != "" {
		lines = append([]string{"Message from run " + d.SenderRunID + ": " + d.Subject}, lines...)
	}
	p.bullet(p.style.Bold("›"), strings.Join(lines, "\n"), p.style.Bold)
	if script > 0 {
		noun := "lines"
		if script == 1 {
			noun = "line"
		}
		p.line("  " + p.style.Dim(fmt.Sprintf("(with %d %s of turns for the scripted model)", script, noun)))
	}
}

// withoutScript takes a fenced block of turns for the scripted model out of a message, and counts
// its lines.
func withoutScript(text string) (string, int) {
	var kept []string
	fence, lines := "", 0
	for line := range strings.SplitSeq(text, "\n") {
		ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
		switch {
		case fence == "" && len(ticks) >= 3 && line == ticks+"scripted":
			fence = ticks
		case fence != "" && line == fence:
			fence = ""
		case fence != "":
			lines++
		default:
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n"), lines
}

func (p *Printer) reasoning(d api.AgentReasoning) {
	lines := strings.Split(strings.TrimSpace(d.Text), "\n")
	if len(lines) > 6 {
		lines = append(lines[:6], "…")
	}
	p.bullet(p.style.Dim("✻"), strings.Join(lines, "\n"), p.style.Dim)
}

// quietTools are tools whose effect is an entry of its own, shown instead.
var quietTools = map[string]bool{"update_plan": true, "report_artifact": true, "ask_user": true, "submit_plan": true}

// action notes what the agent does. Of actions carried out at the same time the first is shown at
// once, each other with its result.
func (p *Printer) action(d api.Action) {
	if quietTools[d.Name] {
		return
	}
	p.pending = append(p.pending, d)
	if len(p.pending) == 1 {
		p.showAction(d)
	}
}

// showAction shows a command as it would be typed, any other tool with its arguments on one line.
func (p *Printer) showAction(d api.Action) {
	p.current = d.ID
	var in map[string]any
	_ = json.Unmarshal(d.Input, &in) // what is no object has no arguments to show
	if command, ok := in["command"].(string); ok {
		p.bullet("  "+p.style.Yellow("$"), command, p.style.Bold)
		return
	}
	p.line("  " + p.style.Yellow("→") + " " + p.style.Bold(term.CleanLine(d.Name)) + " " + arguments(in))
}

// resolve takes the action of a result off the pending ones and makes sure that it was shown last.
// The next action is shown by the caller, once the result is.
func (p *Printer) resolve(d api.ActionResult) {
	i := slices.IndexFunc(p.pending, func(a api.Action) bool { return a.ID == d.ActionID })
	if i < 0 {
		return
	}
	if p.current != d.ActionID {
		p.showAction(p.pending[i])
	}
	p.pending = slices.Delete(p.pending, i, i+1)
}

// arguments names the argument that tells most, else shows all.
func arguments(in map[string]any) string {
	for _, name := range []string{"path", "file_path", "pattern", "query", "question", "url", "name"} {
		if s, ok := in[name].(string); ok {
			return term.Shorten(term.CleanLine(s), 100)
		}
	}
	if len(in) == 0 {
		return ""
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(in) != nil {
		return ""
	}
	return term.Shorten(term.CleanLine(b.String()), 100)
}

// result shows how an action ended.
func (p *Printer) result(d api.ActionResult) {
	if quietTools[d.Name] && d.State == api.ActionStateCompleted {
		return
	}
	p.resolve(d)
	p.output(d)
	p.status(d)
	if len(p.pending) > 0 && p.current != p.pending[0].ID {
		p.showAction(p.pending[0])
	}
}

// output shows what an action gave: a diff where there is one, else what was not streamed yet.
func (p *Printer) output(d api.ActionResult) {
	if diff := diffOf(d.Detail); diff != "" {
		p.diff(diff)
	} else if !p.finish(d.Key, d.Output, api.DeltaKindOutput) {
		limit := 12
		if d.Category == api.ActionCategoryCommand || d.State == api.ActionStateFailed {
			limit = maxOutputLines
		}
		p.clipped("    ", d.Output, limit, p.whole(), p.style.Dim)
	}
	switch {
	case d.OmittedBytes > 0 && d.Blob != "":
		p.line("    " + p.style.Dim(fmt.Sprintf("… %d bytes are stored apart: %s", d.OmittedBytes, p.whole())))
	case d.OmittedBytes > 0:
		p.line("    " + p.style.Dim(fmt.Sprintf("… %d bytes were not kept", d.OmittedBytes)))
	}
}

// status says whether an action went well and how long it took.
func (p *Printer) status(d api.ActionResult) {
	took := ""
	if d.DurationMS > 0 {
		took = " " + p.style.Dim((time.Duration(d.DurationMS) * time.Millisecond).String())
	}
	switch {
	case d.State == api.ActionStateDenied:
		p.line("  " + p.style.Red("✗ denied") + took)
	case d.ExitCode != nil && *d.ExitCode != 0:
		p.line("  " + p.style.Red(fmt.Sprintf("✗ exit %d", *d.ExitCode)) + took)
	case d.State == api.ActionStateFailed:
		p.line("  " + p.style.Red("✗ failed") + took)
	default:
		p.line("  " + p.style.Green("✓") + took)
	}
}

// diffOf finds a diff in the detail of a result.
func diffOf(detail json.RawMessage) string {
	var d struct {
		Diff string `json:"diff"`
	}
	if len(detail) == 0 || json.Unmarshal(detail, &d) != nil {
		return ""
	}
	return d.Diff
}

func (p *Printer) diff(text string) {
	p.clipped("    ", text, maxOutputLines, p.transcript(), func(line string) string {
		switch {
		case strings.HasPrefix(line, "+"):
			return p.style.Green(line)
		case strings.HasPrefix(line, "-"):
			return p.style.Red(line)
		case strings.HasPrefix(line, "@@"):
			return p.style.Cyan(line)
		}
		return p.style.Dim(line)
	})
}

func (p *Printer) plan(d api.Plan) {
	p.line(p.style.Bold("☰ plan"))
	for _, item := range d.Items {
		title := term.CleanLine(item.Title)
		switch item.Status {
		case "completed":
			p.line("  " + p.style.Green("✓") + " " + p.style.Dim(title))
		case "in_progress":
			p.line("  " + p.style.Yellow("▸") + " " + p.style.Bold(title))
		default:
			p.line("  " + p.style.Dim("○") + " " + title)
		}
	}
}

func (p *Printer) artifact(d api.ArtifactReport) {
	a := d.Data
	name := a.Filename
	for _, other := range []string{a.Filepath, a.Url, a.Title, a.Description, a.DocumentUid} {
		if name == "" {
			name = other
		}
	}
	text := fmt.Sprintf("%s %s", strings.ToLower(string(d.ArtifactType)), term.CleanLine(name))
	if a.SizeBytes > 0 {
		text += fmt.Sprintf(" (%d bytes)", a.SizeBytes)
	}
	p.line(p.style.Green("★ ") + p.style.Bold(term.CleanLine(text)))
}

func (p *Printer) notice(d api.Notice) {
	switch d.Level {
	case api.NoticeError:
		p.bullet(p.style.Red("!"), d.Text, p.style.Red)
	case api.NoticeWarning:
		p.bullet(p.style.Yellow("!"), d.Text, p.style.Yellow)
	default:
		p.bullet(p.style.Dim("·"), d.Text, p.style.Dim)
	}
}
