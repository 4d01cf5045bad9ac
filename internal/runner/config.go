package runner

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/link"
)

// Config says where and how one execution is carried out.
type Config struct {
	// ServerURL is the server's root, without /api/v1. Required.
	ServerURL string
	// Token is the run token of the execution. Required.
	Token string
	// Dir is the directory of the execution, a new or empty one that the runner may fill: the
	// workspace is made inside it. It is made when missing. Required unless Local.
	Dir string
	// Local runs in Workdir as it is, on behalf of the person who called: no snapshot,
	// nothing removed, and no end of waiting for an answer.
	Local bool
	// Workdir is the workspace of a Local execution. In any other it is a directory shared with
	// others, used in place of a new one, and then neither kept nor cleaned.
	Workdir string
	// Managed means that a worker renews the execution's lease; otherwise the runner does.
	Managed bool
	// OwnProcess means that this process exists for this execution alone: it becomes the parent of
	// whatever detaches itself, and every descendant is ended with the execution.
	OwnProcess bool
	// Confined says what whoever started this process confined it in, for people; empty: nothing.
	Confined string
	// Guard is the worker's guard against processes that outlive the execution (api.EnvSandboxGuard).
	Guard string
	// NoSnapshot leaves the workspace unkept; the server can ask for the same.
	NoSnapshot bool
	// SnapshotTimeout bounds taking and storing a snapshot. Default 2 minutes.
	SnapshotTimeout time.Duration
	// SnapshotScriptTimeout bounds a script that declares what is kept beside the workspace. Default 1
	// minute.
	SnapshotScriptTimeout time.Duration
	// RenewTokens is how often the token for a cloud that reads it from a file is replaced. Default 20 min,
	// a third of its life.
	RenewTokens time.Duration
	// CheckpointEvery is how often, at most, a working agent's workspace is kept after it changed, so
	// that a lost sandbox loses little. Default 12 seconds; negative never.
	CheckpointEvery time.Duration
	// IdleOnComplete and IdleOnFail replace the server's idle windows where the run itself does not
	// ask for one. Nil keeps the server's; a Local execution without one does not idle.
	IdleOnComplete *time.Duration
	IdleOnFail     *time.Duration
	// CloneTimeout bounds cloning one repository, SetupTimeout one set-up command. Defaults 15 and
	// 30 minutes.
	CloneTimeout time.Duration
	SetupTimeout time.Duration
	// Heads are commits or branches to begin from, in place of what the environment says.
	Heads []Head
	// RemoveOrigins takes the remotes from the repositories once they are set up, so that what comes
	// later in them cannot be looked up.
	RemoveOrigins bool
	// SkipInitialTurn prepares everything and then waits for a message instead of working on the prompt.
	SkipInitialTurn bool
	// MCPStartTimeout and StrictMCP are handed to the harness.
	MCPStartTimeout time.Duration
	StrictMCP       bool
	// SkillDirs are further directories of skills.
	SkillDirs []string
	// Grace bounds leaving in good order once the context ends. Default 5 seconds.
	Grace time.Duration
	// Executable is this program, for the agent to call back with. Default os.Executable.
	Executable string
	// Environ is what the agent's processes inherit, "NAME=value", before what the runner adds. For
	// a Local execution that is the person's environment; else HOME, PATH, TMPDIR and the
	// task's variables. Nothing of it that looks like our own credentials is passed on.
	Environ []string
	// Secrets are further values never to be shown.
	Secrets []string
	// Version, Host and Backend are told to the server.
	Version, Host, Backend string
	// Harnesses are the agents known here. Required.
	Harnesses []harness.Harness
	// OnStart, if set, is called once with the assignment; OnEntry with each entry and OnDelta with
	// each fragment as they leave, already redacted. They must be quick.
	OnStart func(api.RunnerAssignment)
	OnEntry func(api.NewEntry)
	OnDelta func(api.Delta)
	// Transport carries requests to the server; nil makes one.
	Transport http.RoundTripper
	// Retry spaces calls to a server that is away.
	Retry link.Backoff
	// Log is required.
	Log *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

func (c *Config) defaults() error {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.SnapshotTimeout, 2*time.Minute)
	set(&c.SnapshotScriptTimeout, time.Minute)
	set(&c.CheckpointEvery, 12*time.Second)
	set(&c.RenewTokens, 20*time.Minute)
	set(&c.CloneTimeout, 15*time.Minute)
	set(&c.SetupTimeout, 30*time.Minute)
	set(&c.Grace, 5*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Executable == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		c.Executable = self
	}
	return nil
}

// Validate names what is missing or contradictory.
func (c *Config) Validate() error {
	switch {
	case c.ServerURL == "":
		return errors.New("runner: no server URL")
	case c.Token == "":
		return errors.New("runner: no run token")
	case len(c.Harnesses) == 0:
		return errors.New("runner: no harness")
	case c.Log == nil:
		return errors.New("runner: no logger")
	case c.Local && c.Workdir == "":
		return errors.New("runner: a local execution needs a working directory")
	case !c.Local && c.Dir == "":
		return errors.New("runner: no directory for the execution")
	}
	return nil
}

// layout is where an execution keeps its things. All paths are absolute and free of symlinks.
type layout struct {
	work        string // the agent's workspace
	attachments string // inside the workspace, beside the repositories, so that git does not see them
	scratch     string // the agent's own, outside the workspace
	private     string // the runner's own, outside the workspace
	tmp         string // TMPDIR of every process; empty keeps the inherited one
	remove      string // made for a local execution, removed after it
}

// attachmentsDir is where attachments are put inside a workspace; snapshots leave it out.
const attachmentsDir = ".cadre"

func (c *Config) layout() (layout, error) {
	if c.Local {
		work, err := realDir(c.Workdir)
		if err != nil {
			return layout{}, err
		}
		base, err := os.MkdirTemp("", "cadre-run-")
		if err != nil {
			return layout{}, err
		}
		l := layout{work: work, attachments: filepath.Join(base, "attachments"), scratch: filepath.Join(base, "scratch"), private: filepath.Join(base, "runner"), remove: base}
		return l, l.make()
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return layout{}, err
	}
	base, err := realDir(c.Dir)
	if err != nil {
		return layout{}, err
	}
	l := layout{
		work: filepath.Join(base, "workspace"), scratch: filepath.Join(base, "scratch"),
		private: filepath.Join(base, "runner"), tmp: filepath.Join(base, "tmp"),
	}
	l.attachments = filepath.Join(l.work, attachmentsDir, "attachments")
	if c.Workdir != "" {
		if l.work, err = realDir(c.Workdir); err != nil {
			return layout{}, err
		}
		l.attachments = filepath.Join(base, "attachments")
	}
	return l, l.make()
}

func (l layout) make() error {
	for _, dir := range []string{l.work, l.scratch, l.private, l.tmp} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

func realDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a directory", dir)
	}
	return real, nil
}
