package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/internal/cli/demo"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/server"
)

// upFlags are the flags of up beside the server's.
type upFlags struct {
	server server.Config
	worker workerFlags
	demo   bool
	level  slog.Level
}

func (a *app) upCommand() *cobra.Command {
	f := upFlags{level: slog.LevelWarn}
	c := &cobra.Command{Use: "up", Short: "Run everything on this machine: server and one worker",
		Long: `Starts the control plane and one worker that runs agents as processes of this machine. All state is
in one data directory. On the first start the admin's API key is printed once and saved for this
user's CLI, and so is a link that signs a browser in once; 'cadre login-link' makes more. Every flag
has an environment variable, named behind it.
` + modelKeysHelp,
		Example: `  cadre up
  cadre up --demo
  ANTHROPIC_API_KEY=… cadre up --listen 127.0.0.1:9000 --data ./cadre-data`}
	fs := c.Flags()
	fs.BoolVar(&f.demo, "demo", false, "carry out the showcase first and show it, then stay up")
	serverFlags(fs, &f.server)
	f.worker.registerShared(c)
	logLevel(c, &f.level)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error { return a.up(cmd.Context(), f) })
}

// up starts the server, then the worker against the server's own URL, and stays until it is told to
// stop or one of them fails.
func (a *app) up(ctx context.Context, f upFlags) error {
	cfg := f.server
	if cfg.DataDir == "" {
		var err error
		if cfg.DataDir, err = a.dataDir(); err != nil {
			return err
		}
	}
	unlock, err := lockDir(cfg.DataDir)
	if err != nil {
		return err
	}
	defer unlock()
	modelKeys(&cfg, a.Getenv)
	if err := providers(&cfg, a.Getenv); err != nil {
		return err
	}
	cfg.Log = a.serviceLog(f.level)
	key, err := adminKey(cfg.DataDir, cfg.BootstrapKey)
	if err != nil {
		return err
	}
	given := cfg.BootstrapKey != ""
	cfg.BootstrapKey = key
	srv, err := server.New(ctx, cfg)
	if err != nil {
		return startHint(err, cfg.Listen)
	}
	local := srv.LocalURL()
	hello := greeting{srv: srv, cfg: cfg, given: given, link: f.demo || srv.BootstrapKey() != ""}
	hello.saved = a.saveLogin(local, key, srv.BootstrapKey() != "")
	connected := make(chan struct{})
	work, err := a.builtInWorker(f, cfg, local, key, sync.OnceFunc(func() { close(connected) }))
	if err != nil {
		return errors.Join(err, srv.Close())
	}
	// Stopping goes inside out: runners leave in good order while there is a server to tell.
	return inside(ctx, srv.Run, func(ctx context.Context) error {
		return inside(ctx, work, func(ctx context.Context) error {
			select {
			case <-connected:
				return a.stayUp(ctx, f, local, key, hello)
			case <-ctx.Done():
				return nil
			}
		})
	})
}

// stayUp is what up shows once runs are carried out.
func (a *app) stayUp(ctx context.Context, f upFlags, local, key string, hello greeting) error {
	if f.demo {
		over, err := a.upDemo(ctx, local, key, f)
		defer over()
		if err != nil {
			return err
		}
	}
	if _, err := fmt.Fprint(a.Stdout, a.welcome(ctx, hello)); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// lockDir takes a data directory for this process until it ends or unlock is called: two servers on
// one SQLite file would each believe to be alone.
func lockDir(dir string) (unlock func(), err error) {
	advice := "name another with --data or CADRE_DATA"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, withHint(fmt.Errorf("make data directory: %w", err), "%s", advice)
	}
	f, err := os.OpenFile(filepath.Join(dir, "up.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, withHint(fmt.Errorf("lock data directory: %w", err), "%s", advice)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(withHint(fmt.Errorf("data directory %s is in use by another 'cadre up'", dir), "stop that one, or %s", advice), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// upDemo carries out the showcase. A showcase that fails is told and does not end the server. Its
// repository is served until over is called, so that a follow-up can clone it later.
func (a *app) upDemo(ctx context.Context, local, key string, f upFlags) (over func(), err error) {
	over = func() {}
	c, err := a.clientFor(local, key)
	if err != nil {
		return over, err
	}
	fmt.Fprintln(a.Stdout, a.style.Dim("Making a small git repository with a failing test and serving it on this machine"))
	repo, err := demo.ServeRepository(ctx)
	if err == nil {
		over = func() { _ = repo.Close() } // what is left is in a temporary directory
		err = a.demo(ctx, c, demoFlags{repoURL: repo.URL, model: f.server.Models.DefaultModel, host: f.server.DefaultHost})
	}
	if err != nil && ctx.Err() == nil {
		a.printError(err)
	}
	_, err = fmt.Fprintln(a.Stdout)
	return over, err
}

// adminKeyFile holds, in the data directory beside the database it opens, the key the built-in worker
// connects with: the first admin's. It is written before the database is made, so that no crash can
// lose it.
const adminKeyFile = "admin.key"

// adminKey is the key of the data directory's first admin, made when there is none.
func adminKey(dataDir, given string) (string, error) {
	path := filepath.Join(dataDir, adminKeyFile)
	b, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the worker's key: %w", err)
	}
	key := given
	if key == "" {
		key = identity.NewKey()
	}
	if err := writePrivate(path, []byte(key+"\n")); err != nil {
		return "", withHint(fmt.Errorf("write to the data directory: %w", err), "name another with --data or CADRE_DATA")
	}
	return key, nil
}
