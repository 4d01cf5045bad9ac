// Package shell keeps one bash process alive and runs commands in it, one at a time.
//
// Working directory, variables and functions persist between commands, as they do for a person at a
// terminal, and a command costs no process start of its own. The package owns the protocol with
// that process and the end of everything a command left running. It refuses to know permissions,
// entries or limits of output: output goes to the writer it is given.
//
// # Protocol
//
// bash reads a script from its standard input, a pipe that stays open: per command one eval of the
// command, quoted, with its own descriptors, and then lines that write a mark to the output and the
// status to a private descriptor. The mark is random and reaches bash after the command has ended,
// so that no command can know it. It is how the output's end is found without looking at lines:
// output without a final newline, binary output and background jobs cannot blur it. A script,
// unlike a loop around eval, has nothing that break, continue or return could leave.
package shell

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cadrehq/cadre/internal/proc"
)

// Config says how to run the shell.
type Config struct {
	// Bash is the path of bash; empty looks it up.
	Bash string
	// Dir is where the first command runs.
	Dir string
	// Env is the whole environment.
	Env []string
	// ScratchDir holds long commands while they run.
	ScratchDir string
	// Grace is how long processes get between SIGTERM and SIGKILL; 0 means 2 s.
	Grace time.Duration
	Log   *slog.Logger
}

// Result is how a command ended.
type Result struct {
	ExitCode int
	// Dir is the working directory after the command.
	Dir string
	// TimedOut and Interrupted say that the command was ended from outside.
	TimedOut, Interrupted bool
	// Restarted says that the shell process itself ended with the command (exit, exec, set -e, a
	// loop that could not be stopped): variables and functions are lost, the directory is kept.
	Restarted bool
}

// Shell is a persistent bash. It starts with its first command. Run must not be called concurrently.
type Shell struct {
	cfg Config
	dir string

	mu     sync.Mutex // guards proc and closed
	proc   *process
	closed bool
}

// ErrClosed is returned by Run after Close.
var ErrClosed = errors.New("the shell is closed")

// inlineCommand is the longest command sent through the pipe, which bash reads byte by byte.
const inlineCommand = 4 << 10

// New makes a shell; no process starts yet.
func New(cfg Config) *Shell {
	if cfg.Grace <= 0 {
		cfg.Grace = 2 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Shell{cfg: cfg, dir: cfg.Dir}
}

// Dir is the working directory the next command starts in.
func (s *Shell) Dir() string { return s.dir }

// Run carries out one command and writes what it prints, standard error included, to out. Timeout 0
// is without bound. An error means that the command could not be run or ctx ended before it did; in
// the latter case its processes are gone and the Result is valid.
func (s *Shell) Run(ctx context.Context, command string, timeout time.Duration, out io.Writer) (Result, error) {
	if strings.ContainsRune(command, 0) {
		return Result{Dir: s.dir}, errors.New("the command contains a NUL byte")
	}
	p, err := s.process()
	if err != nil {
		return Result{Dir: s.dir}, err
	}
	sent, cleanup, err := s.inline(command)
	if err != nil {
		return Result{Dir: s.dir}, err
	}
	defer cleanup()
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	mark := "\x00" + hex.EncodeToString(nonce[:]) + "\x00"
	since := proc.Ticks()
	p.begin(mark, out)
	if err := p.send(script(sent, strings.Trim(mark, "\x00"))); err != nil {
		s.cfg.Log.Debug("shell did not take the command", "error", err)
	}
	res, ctxErr := s.await(ctx, p, timeout, since)
	if res.Dir != "" {
		s.dir = res.Dir
	}
	res.Dir = s.dir
	return res, ctxErr
}

// await waits for the command's end, and brings it about when time is up or ctx ends.
func (s *Shell) await(ctx context.Context, p *process, timeout time.Duration, since uint64) (Result, error) {
	var expired <-chan time.Time
	if timeout > 0 {
		t := time.NewTimer(timeout)
		defer t.Stop()
		expired = t.C
	}
	var res Result
	var ctxErr error
	select {
	case st := <-p.ended:
		return s.settle(p, st, res), nil
	case <-expired:
		res.TimedOut = true
	case <-ctx.Done():
		res.Interrupted, ctxErr = true, context.Cause(ctx)
	}
	return s.stopCommand(p, since, res), ctxErr
}

// stopCommand ends what the command started, first politely, and when that does not end the command
// the shell with it.
func (s *Shell) stopCommand(p *process, since uint64, res Result) Result {
	e := ending{root: p.cmd.Process.Pid, since: since}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		left, st, ended := s.waitEnd(p, &e, sig)
		if ended {
			e.signal(syscall.SIGKILL) // what ignored the first signal in the background
			return s.settle(p, st, res)
		}
		if !left {
			break // the shell itself is busy
		}
	}
	p.kill()
	res = s.settle(p, <-p.ended, res)
	res.Restarted = true
	return res
}

// waitEnd signals the command's processes, also those a command list starts meanwhile, until the
// command ends, nothing but the shell itself is left, or the grace is over.
func (s *Shell) waitEnd(p *process, e *ending, sig syscall.Signal) (left bool, st status, ended bool) {
	grace := time.NewTimer(s.cfg.Grace)
	defer grace.Stop()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	idle := 0
	for {
		if e.signal(sig) {
			idle = 0
		} else if idle++; idle > 8 {
			return false, status{}, false
		}
		select {
		case st := <-p.ended:
			return false, st, true
		case <-tick.C:
		case <-grace.C:
			return true, status{}, false
		}
	}
}

func (s *Shell) settle(p *process, st status, res Result) Result {
	res.ExitCode, res.Dir = st.code, st.dir
	if st.exited {
		res.Restarted = true
		p.kill()
		s.mu.Lock()
		if s.proc == p {
			s.proc = nil
		}
		s.mu.Unlock()
	}
	return res
}

// inline returns what to send for a command: the command, or the sourcing of a file that holds it.
func (s *Shell) inline(command string) (string, func(), error) {
	if len(command) <= inlineCommand {
		return command, func() {}, nil
	}
	f, err := os.CreateTemp(s.cfg.ScratchDir, "command-*.sh")
	if err != nil {
		return "", nil, fmt.Errorf("store long command: %w", err)
	}
	_, err = f.WriteString(command + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", nil, fmt.Errorf("store long command: %w", err)
	}
	return "source " + quote(f.Name()), func() { _ = os.Remove(f.Name()) }, nil
}

// opening moves the private descriptors out of the way of commands' own use of low numbers.
const opening = "exec 61>&3 62>&1 3>&-\n"

// script is what bash reads for one command.
func script(command, mark string) string {
	return "builtin eval " + quote(command) + " </dev/null >&62 2>&62 61>&- 62>&-\n" +
		"__cadre_status=$?; builtin printf '\\0%s\\0' " + mark + " >&62; " +
		"builtin printf '%s\\0%s\\0' \"$__cadre_status\" \"$PWD\" >&61\n"
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Close ends the shell and everything still in it. A second call does nothing.
func (s *Shell) Close() {
	s.mu.Lock()
	p := s.proc
	s.proc, s.closed = nil, true
	s.mu.Unlock()
	if p != nil {
		p.kill()
	}
}

func (s *Shell) process() (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if s.proc != nil && !s.proc.gone() {
		return s.proc, nil
	}
	if s.proc != nil {
		s.proc.kill()
		s.proc = nil
	}
	for dir := s.dir; ; dir = filepath.Dir(dir) {
		if fi, err := os.Stat(dir); err == nil && fi.IsDir() {
			s.dir = dir
			break
		}
		if dir == filepath.Dir(dir) {
			return nil, fmt.Errorf("start shell: no directory %s", s.dir)
		}
	}
	p, err := start(s.cfg, s.dir)
	if err != nil {
		return nil, err
	}
	s.proc = p
	return p, nil
}
