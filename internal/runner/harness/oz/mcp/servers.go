// Package mcp offers the tools of MCP servers to the built-in agent.
//
// It owns the servers of one run: it starts them together, each within a time limit, resolves the
// placeholders in their configuration from the sandbox's environment, and ends them. It refuses to
// decide whether a server that does not start fails the run, or whether a call is permitted.
package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os/exec"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

// Config says which servers to start.
type Config struct {
	Servers map[string]api.MCPServerConfig
	// Env is the environment of stdio servers and the source of placeholders.
	Env []string
	Dir string
	// Timeout bounds the start of each server; 0 means 20 s.
	Timeout   time.Duration
	Transport http.RoundTripper
	Log       *slog.Logger
}

const (
	defaultTimeout = 20 * time.Second
	// endGrace is how long a server may take to end by itself.
	endGrace = 500 * time.Millisecond
	maxTools = 256
)

// StartError is a server that did not start.
type StartError struct {
	Server string
	// Output is the end of what the server printed to standard error.
	Output string
	Err    error
}

func (e *StartError) Error() string {
	text := fmt.Sprintf("MCP server %q did not start: %v", e.Server, e.Err)
	if e.Output != "" {
		text += "\nIts output:\n" + e.Output
	}
	return text
}

func (e *StartError) Unwrap() error { return e.Err }

// Servers are the started servers of a run.
type Servers struct {
	list    []*server
	closing sync.Once
}

type server struct {
	name    string
	session *sdk.ClientSession
	cmd     *exec.Cmd
	stderr  *tail
	tools   []tool.Tool
}

// Start starts all servers at once and returns when each has started or failed. It never returns
// nil Servers.
func Start(ctx context.Context, cfg Config) (*Servers, []*StartError) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	names := make([]string, 0, len(cfg.Servers))
	for name := range cfg.Servers {
		names = append(names, name)
	}
	sort.Strings(names)
	started := make([]*server, len(names))
	failed := make([]*StartError, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { started[i], failed[i] = startOne(ctx, cfg, name) })
	}
	wg.Wait()
	s := &Servers{}
	var errs []*StartError
	for i := range names {
		if started[i] != nil {
			s.list = append(s.list, started[i])
		}
		if failed[i] != nil {
			errs = append(errs, failed[i])
		}
	}
	s.nameTools()
	return s, errs
}

func startOne(ctx context.Context, cfg Config, name string) (*server, *StartError) {
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Timeout, fmt.Errorf("no answer within %v", cfg.Timeout))
	defer cancel()
	s := &server{name: name, stderr: &tail{limit: 4 << 10}}
	err := s.start(ctx, cfg)
	if err == nil {
		return s, nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	s.close()
	return nil, &StartError{Server: name, Output: s.stderr.String(), Err: err}
}

func (s *server) start(ctx context.Context, cfg Config) error {
	sc, err := expand(cfg.Servers[s.name], cfg.Env)
	if err != nil {
		return err
	}
	transport, err := s.transport(sc, cfg)
	if err != nil {
		return err
	}
	client := sdk.NewClient(&sdk.Implementation{Name: "cadre", Version: "1"}, nil)
	if s.session, err = client.Connect(ctx, transport, nil); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	for t, err := range s.session.Tools(ctx, nil) {
		if err != nil {
			return fmt.Errorf("list tools: %w", err)
		}
		if len(s.tools) == maxTools {
			return fmt.Errorf("it offers more than %d tools", maxTools)
		}
		s.tools = append(s.tools, newTool(s, t))
	}
	return nil
}

func (s *server) transport(sc api.MCPServerConfig, cfg Config) (sdk.Transport, error) {
	switch {
	case sc.Command != "" && sc.Url == "" && sc.WarpId == "":
		s.cmd = exec.Command(sc.Command, sc.Args...)
		s.cmd.Dir, s.cmd.Stderr = cfg.Dir, s.stderr
		s.cmd.Env = append(append([]string(nil), cfg.Env...), pairs(sc.Env)...)
		if path, err := lookPath(sc.Command, s.cmd.Env); err == nil {
			s.cmd.Path, s.cmd.Err = path, nil
		}
		s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return &sdk.CommandTransport{Command: s.cmd, TerminateDuration: endGrace}, nil
	case sc.Url != "" && sc.Command == "" && sc.WarpId == "":
		client := &http.Client{Transport: &headers{next: cfg.Transport, set: sc.Headers}}
		return &sdk.StreamableClientTransport{Endpoint: sc.Url, HTTPClient: client, MaxRetries: 2}, nil
	case sc.WarpId != "" && sc.Command == "" && sc.Url == "":
		return nil, fmt.Errorf("it refers to a shared server (%s) that was deleted", sc.WarpId)
	}
	return nil, errors.New("exactly one of command, url and warp_id must be given")
}

// headers adds the configured headers to every request.
type headers struct {
	next http.RoundTripper
	set  map[string]string
}

func (h *headers) RoundTrip(req *http.Request) (*http.Response, error) {
	if len(h.set) > 0 {
		req = req.Clone(req.Context())
		for k, v := range h.set {
			req.Header.Set(k, v)
		}
	}
	if h.next == nil {
		return http.DefaultTransport.RoundTrip(req)
	}
	return h.next.RoundTrip(req)
}

// Tools lists the tools of all servers.
func (s *Servers) Tools() []tool.Tool {
	var out []tool.Tool
	for _, srv := range s.list {
		out = append(out, srv.tools...)
	}
	return out
}

// Close ends every server and what it started. A second call does nothing.
func (s *Servers) Close() {
	s.closing.Do(func() {
		var wg sync.WaitGroup
		for _, srv := range s.list {
			wg.Go(srv.close)
		}
		wg.Wait()
	})
}

func (s *server) close() {
	if s.session != nil {
		_ = s.session.Close()
	}
	if s.cmd != nil && s.cmd.Process != nil {
		// The group outlives its leader when the server left children behind.
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	mu    sync.Mutex
	buf   []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - t.limit; over > 0 {
		t.buf = append([]byte(nil), t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(t.buf), "\uFFFD"))
}
