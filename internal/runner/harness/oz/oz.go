// Package oz is the built-in agent: a loop of model calls and tools.
//
// It owns the conversation with the model, the carrying out of what the model decides and the record
// of both. Its state is the run's entries: one type, conversation, takes every entry, whether it
// comes from the history or was appended a moment ago, and everything the agent does next follows
// from it. That is how a run continues in another sandbox after any crash.
//
// It refuses to know the server: entries go through harness.Sink, steering comes from
// harness.Inbox, and models are reached through the gateway with the run token.
package oz

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/mcp"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/model"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/permission"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/shell"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/skill"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

// Config tunes the agent. The zero value is the default.
type Config struct {
	// MaxSteps bounds the model calls of one Turn; 0 means 500.
	MaxSteps int
	// Retries is how often a model call that failed for a passing reason is repeated; 0 means 4,
	// negative never.
	Retries int
	// Backoff is the wait before the first repetition, doubled each time; 0 means 1 s.
	Backoff time.Duration
	// OutputBytes is how much of a tool's output the model sees; 0 means 24 KiB.
	OutputBytes int
	// Transport carries model and MCP requests; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

const (
	defaultMaxSteps    = 500
	defaultRetries     = 4
	defaultOutputBytes = 24 << 10
	defaultEntryBytes  = 256 << 10
	defaultBlobBytes   = 64 << 20
)

// Harness is the built-in agent's harness.
type Harness struct{ cfg Config }

// New makes the harness.
func New(cfg Config) *Harness {
	if cfg.MaxSteps <= 0 {
		cfg.MaxSteps = defaultMaxSteps
	}
	if cfg.Retries == 0 {
		cfg.Retries = defaultRetries
	}
	if cfg.Backoff <= 0 {
		cfg.Backoff = time.Second
	}
	if cfg.OutputBytes <= 0 {
		cfg.OutputBytes = defaultOutputBytes
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Harness{cfg: cfg}
}

// Name is oz.
func (h *Harness) Name() api.HarnessType { return api.HarnessTypeOz }

// TakesMessages makes Harness a harness.Messenger.
func (h *Harness) TakesMessages() {}

// Agent is one built-in agent.
type Agent struct {
	cfg    Config
	s      harness.Session
	model  model.Model
	policy *permission.Policy
	conv   *conversation
	tools  *toolset
	system string
	rules  *rules

	workspace *tool.Workspace
	shell     *shell.Shell
	servers   *mcp.Servers
	closing   sync.Once
}

// Start prepares the agent.
func (h *Harness) Start(ctx context.Context, s harness.Session) (harness.Agent, error) {
	a := &Agent{cfg: h.cfg, s: s}
	if err := a.prepare(ctx); err != nil {
		_ = a.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return a, nil
}

func (a *Agent) prepare(ctx context.Context) error {
	s := a.s
	var err error
	if a.policy, err = permission.New(s.Assignment.Config.Permissions); err != nil {
		return err
	}
	if a.model, err = model.New(s.Assignment.Model, s.Token, a.cfg.Transport); err != nil {
		return err
	}
	a.conv = newConversation(s.Assignment)
	if err := a.conv.load(s.History); err != nil {
		return err
	}
	for _, id := range a.conv.taken {
		s.Inbox.MarkSeen(id)
	}
	for _, c := range a.conv.standing() {
		a.policy.AllowAlways(c)
	}
	dir := s.Dir
	if dir == "" {
		dir = s.Workdir
	}
	a.shell = shell.New(shell.Config{Dir: dir, Env: shellEnv(s.Env), ScratchDir: s.ScratchDir, Grace: time.Second, Log: s.Log})
	if err := a.startServers(ctx); err != nil {
		return err
	}
	set, err := a.loadSkills(ctx, dir)
	if err != nil {
		return err
	}
	base, err := a.baseSkills(set)
	if err != nil {
		return err
	}
	if err := a.openWorkspace(dir, set); err != nil {
		return err
	}
	a.rules = newRules(s)
	a.tools = a.newToolset(set, a.logDir())
	a.system = a.systemPrompt(set, base)
	return nil
}

func (a *Agent) logDir() string { return filepath.Join(a.s.ScratchDir, "logs") }

// openWorkspace opens the workspace, and what may be read beside it: output of background
// commands, skills, attachments.
func (a *Agent) openWorkspace(dir string, set *skill.Set) (err error) {
	readable := append([]string{a.logDir()}, a.s.SkillDirs...)
	for _, sk := range set.List() {
		readable = append(readable, sk.Dir())
	}
	if at := a.s.Attachments.Dir(); at != "" {
		readable = append(readable, at)
	}
	a.workspace, err = tool.OpenWorkspace(a.s.Workdir, dir, readable...)
	return err
}

// startServers starts the MCP servers; one that does not start is named with its output.
func (a *Agent) startServers(ctx context.Context) error {
	if len(a.s.Assignment.Config.McpServers) == 0 {
		return nil
	}
	servers, failed := mcp.Start(ctx, mcp.Config{
		Servers: a.s.Assignment.Config.McpServers, Env: a.s.Env, Dir: a.s.Workdir,
		Timeout: a.s.MCPStartTimeout, Transport: a.cfg.Transport, Log: a.s.Log})
	a.servers = servers
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(failed) == 0 {
		return nil
	}
	if a.s.StrictMCP {
		var texts []string
		for _, f := range failed {
			texts = append(texts, f.Error())
		}
		return api.Fail(api.PlatformErrorCodeEnvironmentSetupFailed, "%s", strings.Join(texts, "\n"))
	}
	var notices []api.EntryData
	for _, f := range failed {
		notices = append(notices, api.Notice{Level: api.NoticeWarning, Text: f.Error() + "\nThe run goes on without it."})
	}
	return a.append(ctx, notices...)
}

// Close ends the shell and the MCP servers.
func (a *Agent) Close(context.Context) error {
	a.closing.Do(func() {
		if a.servers != nil {
			a.servers.Close()
		}
		if a.shell != nil {
			a.shell.Close()
		}
		if a.workspace != nil {
			_ = a.workspace.Close()
		}
	})
	return nil
}

// append records entries and takes them into the conversation.
func (a *Agent) append(ctx context.Context, data ...api.EntryData) error {
	if len(data) == 0 {
		return nil
	}
	now := a.cfg.Now()
	entries := make([]api.NewEntry, len(data))
	for i, d := range data {
		entries[i] = api.MakeEntry(now, a.fit(d))
	}
	seq, err := a.s.Sink.Append(ctx, entries...)
	if err != nil {
		return fmt.Errorf("append entries: %w", err)
	}
	for _, d := range data {
		a.conv.apply(seq, d)
	}
	return nil
}

// fit shortens what somebody said to what a sandbox may store. Nothing is lost by it: the entry of a command
// says what the server has of it, whatever its length.
func (a *Agent) fit(d api.EntryData) api.EntryData {
	m, said := d.(api.UserMessage)
	if !said || m.CommandID == 0 || encodedLen(m.Text) <= a.entryBytes()/2 {
		return d
	}
	m.Text = clip(m.Text, a.entryBytes()/16)
	return m
}

func (a *Agent) notice(ctx context.Context, level api.NoticeLevel, format string, args ...any) error {
	return a.append(ctx, api.Notice{Level: level, Text: fmt.Sprintf(format, args...)})
}

func (a *Agent) entryBytes() int {
	if n := a.s.Assignment.Limits.MaxEntryBytes; n > 0 {
		return n
	}
	return defaultEntryBytes
}

func (a *Agent) blobBytes() int64 {
	if n := a.s.Assignment.Limits.MaxBlobBytes; n > 0 {
		return n
	}
	return defaultBlobBytes
}

// shellEnv keeps programs from asking and paging, unless the environment says otherwise.
func shellEnv(env []string) []string {
	defaults := []string{"TERM=dumb", "PAGER=cat", "GIT_PAGER=cat", "GIT_TERMINAL_PROMPT=0", "GIT_EDITOR=true", "DEBIAN_FRONTEND=noninteractive"}
	have := map[string]bool{}
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		have[name] = true
	}
	out := append([]string(nil), env...)
	for _, kv := range defaults {
		if name, _, _ := strings.Cut(kv, "="); !have[name] {
			out = append(out, kv)
		}
	}
	return out
}
