package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/cadrehq/cadre/internal/proc"
)

// maxOutput bounds what a step keeps of a command's output: its beginning and, four times as much,
// its end, where errors stand.
const maxOutput = 40 << 10

// command is one process a step runs.
type command struct {
	name    string
	args    []string
	dir     string
	env     []string
	stdin   io.Reader
	stdout  io.Writer         // when set, standard output goes there only
	show    func(text string) // shown what is written, as it comes
	timeout time.Duration     // 0: none
}

// commandError is a command that did not succeed.
type commandError struct {
	what   string
	output string
	err    error
}

func (e *commandError) Error() string { return e.what }
func (e *commandError) Unwrap() error { return e.err }

// run runs the command to its end and returns what it wrote, bounded. When ctx ends or the time is
// up, its whole process group is killed. Its input is empty unless given.
func (c command) run(ctx context.Context) (string, error) {
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.timeout, errTimeout{c.timeout})
		defer cancel()
	}
	out := &bounded{show: c.show}
	cmd := exec.CommandContext(ctx, c.name, c.args...)
	cmd.Dir, cmd.Env, cmd.Stdin = c.dir, c.env, c.stdin
	cmd.Stdout, cmd.Stderr = out, out
	if c.stdout != nil {
		cmd.Stdout = c.stdout
	}
	proc.Group(cmd)
	proc.DieWithParent(cmd, syscall.SIGKILL)
	cmd.Cancel = func() error { return proc.SignalGroup(cmd.Process.Pid, syscall.SIGKILL) }
	// A command may leave a background process that holds its output open.
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	text := out.String()
	if err == nil || (errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success()) {
		return text, nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return text, &commandError{what: explainExit(err), output: text, err: err}
}

type errTimeout struct{ after time.Duration }

func (e errTimeout) Error() string { return fmt.Sprintf("stopped after %s", e.after) }

func explainExit(err error) string {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err.Error()
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Sprintf("killed by %s", status.Signal())
	}
	return fmt.Sprintf("exit status %d", exit.ExitCode())
}

// bounded keeps the beginning and the end of what is written to it.
type bounded struct {
	mu      sync.Mutex
	head    []byte
	tail    []byte
	dropped int64
	show    func(string)
	partial []byte // an unfinished rune at the end of what was shown
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pass(p)
	rest := p
	if room := maxOutput/5 - len(b.head); room > 0 {
		n := min(room, len(rest))
		b.head, rest = append(b.head, rest[:n]...), rest[n:]
	}
	b.tail = append(b.tail, rest...)
	if over := len(b.tail) - maxOutput*4/5; over > maxOutput {
		b.dropped += int64(over)
		b.tail = append([]byte(nil), b.tail[over:]...)
	}
	return len(p), nil
}

func (b *bounded) pass(p []byte) {
	if b.show == nil {
		return
	}
	text := append(b.partial, p...)
	end := len(text)
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if r := text[len(text)-n:]; utf8.RuneStart(r[0]) {
			if !utf8.FullRune(r) {
				end -= n
			}
			break
		}
	}
	b.partial = append([]byte(nil), text[end:]...)
	b.show(strings.ToValidUTF8(string(text[:end]), "\uFFFD"))
}

func (b *bounded) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	dropped := b.dropped
	tail := b.tail
	if over := len(tail) - maxOutput*4/5; over > 0 {
		dropped += int64(over)
		tail = tail[over:]
	}
	text := string(b.head) + string(tail)
	if dropped > 0 {
		text = fmt.Sprintf("%s\n… %d bytes left out …\n%s", b.head, dropped, tail)
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
