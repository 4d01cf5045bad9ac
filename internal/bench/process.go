package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cadrehq/cadre/internal/identity"
)

// cadre is a running server, with or without a worker of its own.
type cadre struct {
	cmd     *exec.Cmd
	url     string
	key     string
	log     string
	ready   time.Duration // until it could accept a run
	clients *http.Client
}

// start runs "up" or "server" on a data directory, and returns when it could accept a run.
func (s *suite) start(ctx context.Context, verb, data, addr string, env ...string) (*cadre, error) {
	if addr == "" {
		var err error
		if addr, err = freeAddress(ctx); err != nil {
			return nil, err
		}
	}
	key, err := keyOf(data)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(s.dir, "log-"+strconv.FormatInt(time.Now().UnixNano(), 36)))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := &cadre{url: "http://" + addr, key: key, log: log.Name(), clients: client()}
	// It ends by stop or kill, in good order even when ctx has ended.
	c.cmd = exec.CommandContext(context.WithoutCancel(ctx), s.cfg.Executable, verb, "--listen", addr, "--data", data, "--rate-limit", "-1")
	c.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "CADRE_BOOTSTRAP_API_KEY=" + key, "CADRE_API_KEY=" + key,
	}, env...)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	began := time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := c.untilReady(ctx); err != nil {
		c.stop()
		said, _ := os.ReadFile(c.log) // what it said, if anything
		return nil, fmt.Errorf("%s did not start: %w\n%s", verb, err, said)
	}
	c.ready = time.Since(began)
	return c, nil
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// keyOf is the first admin's key of a data directory, made if there is none.
func keyOf(data string) (string, error) {
	path := filepath.Join(data, "admin.key")
	if b, err := os.ReadFile(path); err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", err
	}
	key := identity.NewKey()
	return key, os.WriteFile(path, []byte(key+"\n"), 0o600)
}

func (c *cadre) untilReady(ctx context.Context) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		if rsp, err := c.clients.Do(req); err == nil {
			ok := rsp.StatusCode == http.StatusOK
			if err := rsp.Body.Close(); err != nil {
				return err
			}
			if ok {
				return nil
			}
		}
		if err := c.cmd.Process.Signal(syscall.Signal(0)); err != nil {
			return err
		}
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
}

// stop ends it as an operator would, and by force if that takes long.
func (c *cadre) stop() {
	c.clients.CloseIdleConnections()
	kill := time.AfterFunc(15*time.Second, func() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) })
	defer kill.Stop()
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	_ = c.cmd.Wait()                          // how it ended does not matter
}

// kill is the end nobody is prepared for.
func (c *cadre) kill() {
	c.clients.CloseIdleConnections()
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// rss is its resident memory in MiB.
func (c *cadre) rss() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, errors.New("no VmRSS in /proc")
	}
	kib, err := strconv.ParseFloat(fields[0], 64)
	return kib / 1024, err
}

// cpu is the share of one core it takes during a while, in percent.
func (c *cadre) cpu(ctx context.Context, during time.Duration) (float64, error) {
	before, err := c.ticks()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := pause(ctx, during); err != nil {
		return 0, err
	}
	after, err := c.ticks()
	// A tick is 10 ms: the kernel tells programs a hundredth whatever it uses itself.
	return (after - before) / time.Since(began).Seconds(), err
}

// ticks is the processor time it has used, in hundredths of a second.
func (c *cadre) ticks() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("/proc/…/stat is too short")
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return user + system, err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// client keeps as many connections open as anything here uses.
func client() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.Proxy = 4096, 4096, nil
	return &http.Client{Transport: t}
}
