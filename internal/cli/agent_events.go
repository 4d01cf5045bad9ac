package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
	"github.com/cadrehq/cadre/internal/cli/view"
	"github.com/cadrehq/cadre/internal/runner"
)

// localPrinter shows the session of a run carried out by this process: to people as 'run follow'
// does, to programs in the reference CLI's lines. The runner may call it from several goroutines.
type localPrinter struct {
	a          *app
	runID, url string
	people     *view.Printer
	mu         sync.Mutex
	calls      map[string]api.Action
	err        error
}

func (a *app) localPrinter(runID, url string) *localPrinter {
	p := &localPrinter{a: a, runID: runID, url: url, calls: map[string]api.Action{}}
	if !a.settings.format.machine() {
		p.people = view.New(a.Stdout, a.style, a.typed()+" run", term.CleanLine(runID))
	}
	return p
}

// line writes one JSON object.
func (p *localPrinter) line(v map[string]any) {
	b, err := marshal(v)
	if err == nil && p.err == nil {
		_, p.err = p.a.Stdout.Write(append(term.JSON(b), '\n'))
	}
}

// started announces the run. The "Run ID:" line is read by programs.
func (p *localPrinter) started() {
	if p.people == nil {
		p.line(map[string]any{"type": "system", "event_type": "run_started", "run_id": p.runID, "run_url": p.url})
		return
	}
	_, p.err = fmt.Fprintf(p.a.Stdout, "Run ID: %s\nOpen in Oz: %s\n", term.CleanLine(p.runID), p.url)
}

// shared says where those find the session that it is shared with.
func (p *localPrinter) shared() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.people == nil {
		p.line(map[string]any{"type": "system", "event_type": "shared_session_established", "join_url": p.url})
		return
	}
	_, p.err = fmt.Fprintf(p.a.Stdout, "Sharing session at: %s\n", p.url)
}

// assignment announces the conversation.
func (p *localPrinter) assignment(a api.RunnerAssignment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.people == nil {
		p.line(map[string]any{"type": "system", "event_type": "conversation_started", "conversation_id": a.ConversationId})
		return
	}
	_, p.err = io.WriteString(p.a.Stdout, "New conversation started with debug ID: "+term.CleanLine(a.ConversationId)+"\n")
	if a.Model.Scripted {
		_, p.err = io.WriteString(p.a.Stdout, "The model is scripted: it plays prepared turns. Set a model key on the server for a real one.\n")
	}
}

func (p *localPrinter) entry(n api.NewEntry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.people != nil {
		p.people.Entry(api.Entry{Type: n.Type, CreatedAt: n.CreatedAt, Data: n.Data})
		return
	}
	data, err := api.DecodeEntry(n.Type, n.Data)
	if err != nil {
		return
	}
	switch d := data.(type) {
	case api.AgentMessage:
		p.line(map[string]any{"type": "agent", "text": d.Text})
	case api.AgentReasoning:
		p.line(map[string]any{"type": "agent_reasoning", "text": d.Text})
	case api.Action:
		p.calls[d.ID] = d
		p.line(toolCall(d))
	case api.ActionResult:
		p.line(toolResult(p.calls[d.ActionID], d))
		delete(p.calls, d.ActionID)
	case api.Plan:
		p.line(todos(d))
	case api.ArtifactReport:
		p.line(artifactCreated(d))
	}
}

func (p *localPrinter) delta(d api.Delta) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.people != nil {
		p.people.Delta(d)
	}
}

// finished ends the output.
func (p *localPrinter) finished(res runner.Result) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.people == nil {
		return p.err
	}
	p.people.Settle()
	p.people.Total()
	if p.err == nil {
		p.err = p.people.Err()
	}
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.a.Stdout, "— %s %s\n", res.State, term.CleanLine(res.Message))
	}
	return p.err
}

// refTools maps our tools' names to the reference CLI's.
var refTools = map[string]string{
	"bash": "run_command", "read_file": "read_files", "write_file": "edit_files", "edit_file": "edit_files",
	"grep": "grep", "glob": "file_glob", "report_artifact": "upload_artifact",
}

// toolName is the reference CLI's name of an action's tool.
func toolName(d api.Action) string {
	if name, ok := refTools[d.Name]; ok {
		return name
	}
	return "call_mcp_tool"
}

// toolCall is an action in the reference CLI's shape.
func toolCall(d api.Action) map[string]any {
	line := map[string]any{"type": "tool_call", "tool": toolName(d)}
	var in map[string]any
	_ = json.Unmarshal(d.Input, &in) // an input that is no object has no members
	switch line["tool"] {
	case "run_command":
		line["command"] = in["command"]
	case "read_files":
		line["files"] = []any{map[string]any{"path": in["path"]}}
	case "edit_files":
		line["title"], line["file_paths"] = fmt.Sprintf("%s %v", strings.TrimSuffix(d.Name, "_file"), in["path"]), []any{in["path"]}
	case "grep":
		line["queries"], line["path"] = []any{in["pattern"]}, in["path"]
	case "file_glob":
		line["patterns"], line["path"] = []any{in["pattern"]}, in["path"]
	case "upload_artifact":
		line["path"], line["description"] = in["path"], in["description"]
	default:
		line["name"], line["input"] = d.Name, in
	}
	return line
}

// toolResult is the result of an action in the reference CLI's shape.
func toolResult(call api.Action, d api.ActionResult) map[string]any {
	switch {
	case d.State == api.ActionStateDenied:
		return map[string]any{"type": "tool_canceled"}
	case d.State == api.ActionStateFailed && d.ExitCode == nil:
		return map[string]any{"type": "tool_error", "error": d.Output}
	}
	call.Name = d.Name
	line := map[string]any{"type": "tool_result", "tool": toolName(call)}
	switch line["tool"] {
	case "run_command":
		code := 0
		if d.ExitCode != nil {
			code = *d.ExitCode
		}
		line["status"], line["exit_code"], line["output"] = "complete", code, d.Output
	case "edit_files":
		var detail struct {
			Diff string `json:"diff"`
		}
		_ = json.Unmarshal(d.Detail, &detail) // no detail, no diff
		line["diff"] = detail.Diff
	case "read_files", "grep", "file_glob":
		line["files"] = d.Output
	default:
		line["result"] = d.Output
	}
	return line
}

func todos(d api.Plan) map[string]any {
	list := []any{}
	for _, item := range d.Items {
		list = append(list, map[string]any{"title": item.Title, "description": item.Description, "status": item.Status})
	}
	return map[string]any{"type": "update_todos", "todo_list": list}
}

func artifactCreated(d api.ArtifactReport) map[string]any {
	b, err := marshal(d.Data)
	line := map[string]any{}
	if err == nil {
		_ = json.Unmarshal(b, &line) // what was marshalled unmarshals
	}
	line["type"], line["artifact_type"] = "artifact_created", strings.ToLower(string(d.ArtifactType))
	return line
}
