package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/internal/proc"
	"github.com/cadrehq/cadre/internal/server"
	"github.com/cadrehq/cadre/internal/worker"
	"github.com/cadrehq/cadre/internal/worker/backend/direct"
)

// workerFlags are the flags of worker. Those up shares configure its built-in worker.
type workerFlags struct {
	configFile    string
	backend       string
	workerID      string
	webSocketURL  string
	targetDir     string
	noCleanup     bool
	volumes       []string
	env           []string
	maxTasks      int
	idle          optionalDuration
	grace         duration
	oneShot       bool
	root          string
	setup, tear   string
	noConfinement bool
	noCgroups     bool
	limits        proc.Limits
	level         slog.Level
}

// registerShared declares what both up and worker have.
func (f *workerFlags) registerShared(c *cobra.Command) {
	fs := flagger{c.Flags()}
	fs.text(&f.root, "workspace-root", "`directory` of workspaces, one per execution (up: in the data directory; worker: "+direct.DefaultRoot+")")
	fs.count(&f.maxTasks, "max-concurrent-tasks", "how many agents work at once; 0 is without bound")
	c.Flags().BoolVar(&f.noCleanup, "no-cleanup", false, "keep workspaces after their runs")
	c.Flags().BoolVar(&f.noConfinement, "no-confinement", false, "do not confine agents to their workspace (Landlock)")
	fs.env("no-confinement", nil)
	c.Flags().BoolVar(&f.noCgroups, "no-cgroups", false, "do not hold the processes of each run in a control group")
	fs.env("no-cgroups", nil)
	c.Flags().StringArrayVar(&f.env, "env", nil, "`KEY=VALUE`, or KEY of this environment, for every agent (repeatable)")
	c.Flags().Uint64Var(&f.limits.OpenFiles, "limit-open-files", 0, "file descriptors per process of an agent; 0 leaves the system's")
	fs.env("limit-open-files", nil)
	c.Flags().Uint64Var(&f.limits.Processes, "limit-processes", 0, "processes of the user agents run as; 0 leaves the system's")
	fs.env("limit-processes", nil)
	c.Flags().Uint64Var(&f.limits.DataBytes, "limit-data-bytes", 0, "private memory per process of an agent; 0 leaves the system's")
	fs.env("limit-data-bytes", nil)
}

func (a *app) workerCommand() *cobra.Command {
	f := workerFlags{level: slog.LevelInfo}
	c := &cobra.Command{Use: "worker", Short: "Carry out runs on this machine for a server elsewhere",
		Long: `Connects to a server and carries out the runs of its host, each in a workspace and process group of
its own. Several workers may share one id. The key comes from CADRE_API_KEY or WARP_API_KEY.

Connection problems never end the worker: it reconnects and delivers what it has to say.`,
		Example: `  CADRE_API_KEY=… cadre worker --worker-id linux-1 --server-root-url https://cadre.example.com
  cadre worker --config-file worker.yaml`}
	fs := c.Flags()
	fs.StringVar(&f.workerID, "worker-id", "", "`name` of this host, which runs name as their worker_host (required here or in the file)")
	fromEnv(fs, "worker-id", "CADRE_WORKER_ID")
	fs.StringVar(&f.configFile, "config-file", "", "YAML `file`; flags win over it")
	fs.StringVar(&f.backend, "backend", "", "what makes sandboxes: direct, the only one in this build")
	f.registerShared(c)
	fs.Lookup("env").Shorthand = "e"
	fs.StringVar(&f.targetDir, "target-dir", "", "`directory` all runs share instead of workspaces of their own")
	fs.StringArrayVarP(&f.volumes, "volumes", "v", nil, "for the docker backend")
	_ = fs.MarkHidden("volumes")
	fs.Var(&f.idle, "idle-on-complete", "how long agents stay for follow-ups where their run does not say, e.g. 45m")
	fs.Var(&f.grace, "grace", "how long an agent may take to leave when it must (default 5s)")
	fs.BoolVar(&f.oneShot, "one-shot", false, "carry out a single run, then end")
	fs.StringVar(&f.setup, "setup-command", "", "shell `command` before each run; may write NAME=value lines to $OZ_ENVIRONMENT_FILE")
	fs.StringVar(&f.tear, "teardown-command", "", "shell `command` after each run")
	fs.StringVar(&f.webSocketURL, "web-socket-url", "", "`URL` to connect to, if not below the server's root")
	_ = fs.MarkHidden("web-socket-url")
	logLevel(c, &f.level)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cfg, err := a.workerConfig(f)
		if err != nil {
			return err
		}
		err = worker.Run(cmd.Context(), cfg)
		if errors.Is(err, os.ErrPermission) {
			return withHint(err, "name a directory this user may write with --workspace-root or CADRE_WORKSPACE_ROOT")
		}
		return err
	})
}

// workerConfig makes a worker of its flags and file.
func (a *app) workerConfig(f workerFlags) (worker.Config, error) {
	file, err := readWorkerFile(f.configFile)
	if err != nil {
		return worker.Config{}, err
	}
	if err := chooseBackend(f.backend, file); err != nil {
		return worker.Config{}, err
	}
	if len(f.volumes) > 0 {
		return worker.Config{}, withHint(fmt.Errorf("--volumes: the direct backend mounts nothing"), "agents work on this machine's own file system")
	}
	if a.settings.apiKey == "" {
		return worker.Config{}, errNoKey
	}
	if f.workerID == "" && file.WorkerID == "" {
		return worker.Config{}, usagef("give this host a name with --worker-id, CADRE_WORKER_ID or worker_id in the file; runs ask for it as their host")
	}
	d := file.Backend.Direct
	if d == nil {
		d = &directFile{}
	}
	env, err := workerEnv(d.Environment, f.env, a.Getenv)
	if err != nil {
		return worker.Config{}, err
	}
	idle, err := file.idle()
	if err != nil {
		return worker.Config{}, err
	}
	if f.idle.value != nil {
		idle = f.idle.value
	}
	log := a.serviceLog(f.level)
	cfg := worker.Config{
		WorkerID: firstNonEmpty(f.workerID, file.WorkerID), ServerRootURL: a.settings.server, WebSocketURL: f.webSocketURL,
		APIKey: a.settings.apiKey, MaxConcurrent: file.MaxConcurrentTasks, IdleOnComplete: idle,
		Grace: time.Duration(f.grace), OneShot: f.oneShot, Version: a.Version, Log: log,
	}
	if f.maxTasks > 0 {
		cfg.MaxConcurrent = f.maxTasks
	}
	cfg.Backend, err = direct.New(direct.Config{
		Root: firstNonEmpty(f.root, d.WorkspaceRoot), TargetDir: firstNonEmpty(f.targetDir, d.TargetDir), Program: d.OzPath,
		SetupCommand: firstNonEmpty(f.setup, d.SetupCommand), TeardownCommand: firstNonEmpty(f.tear, d.TeardownCommand),
		Env: env, HostEnv: a.Environ(), KeepWorkspaces: f.noCleanup || file.Cleanup != nil && !*file.Cleanup,
		NoConfinement: f.noConfinement, NoCgroups: f.noCgroups, OwnProcess: true, Hide: a.ownFiles(), Limits: f.limits, Host: cfg.WorkerID, Log: log,
	})
	return cfg, err
}

// ownFiles are the files of ours that agents shall not read.
func (a *app) ownFiles() []string {
	path, err := a.configPath()
	if err != nil {
		return nil
	}
	return []string{filepath.Dir(path)}
}

// builtInWorker makes the worker of up: it serves the server's default host from workspaces in the
// data directory, over the same HTTP as any other worker.
func (a *app) builtInWorker(f upFlags, cfg server.Config, url, key string, connected func()) (func(context.Context) error, error) {
	env, err := workerEnv(nil, f.worker.env, a.Getenv)
	if err != nil {
		return nil, err
	}
	host := firstNonEmpty(cfg.DefaultHost, server.Config{}.WithDefaults().DefaultHost)
	backend, err := direct.New(direct.Config{
		Root: firstNonEmpty(f.worker.root, filepath.Join(cfg.DataDir, "workspaces")), Env: env, HostEnv: a.Environ(),
		KeepWorkspaces: f.worker.noCleanup, NoConfinement: f.worker.noConfinement, NoCgroups: f.worker.noCgroups, OwnProcess: true, Hide: append(a.ownFiles(), cfg.DataDir),
		Limits: f.worker.limits, Host: host, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	w := worker.Config{
		WorkerID: host, ServerRootURL: url, APIKey: key, Backend: backend, MaxConcurrent: f.worker.maxTasks,
		Version: a.Version, Log: cfg.Log, OnConnect: connected,
	}
	if err := w.Validate(); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return worker.Run(ctx, w) }, nil
}
