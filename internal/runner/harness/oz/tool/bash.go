package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/shell"
)

const (
	defaultCommandTimeout = 2 * time.Minute
	maxCommandTimeout     = time.Hour
)

// Bash runs commands in the persistent shell.
type Bash struct {
	Shell *shell.Shell
	// LogDir is where the output of background commands goes; the model reads it from there.
	LogDir string
	logs   int
}

type bashInput struct {
	Command         string  `json:"command"`
	TimeoutSeconds  float64 `json:"timeout_seconds"`
	RunInBackground bool    `json:"run_in_background"`
	Description     string  `json:"description"`
}

// Spec describes the tool.
func (b *Bash) Spec() Spec {
	return Spec{Name: "bash", Category: api.ActionCategoryCommand,
		Description: "Run a command in a persistent bash shell. Working directory, variables and functions stay for the " +
			"next command. Standard input is empty, so nothing may ask. A command is ended after timeout_seconds " +
			"(120 unless given, at most 3600). Use run_in_background for servers and watchers: the call returns at " +
			"once with the process id and the file its output goes to.",
		Schema: json.RawMessage(`{"type":"object","properties":{
			"command":{"type":"string","description":"What bash is to run."},
			"timeout_seconds":{"type":"number","description":"Seconds before the command is ended."},
			"run_in_background":{"type":"boolean","description":"Do not wait for the command."},
			"description":{"type":"string","description":"What it is for, in a few words."}},"required":["command"]}`)}
}

// Command returns the command of a call, for permission checks.
func (b *Bash) Command(input json.RawMessage) string {
	var in bashInput
	_ = json.Unmarshal(input, &in)
	return in.Command
}

// Run runs the command.
func (b *Bash) Run(ctx context.Context, c Call) (Result, error) {
	var in bashInput
	if err := decode(c.Input, &in); err != nil {
		return Failf("%v", err), nil
	}
	if strings.TrimSpace(in.Command) == "" {
		return Failf("command is empty"), nil
	}
	timeout := defaultCommandTimeout
	if in.TimeoutSeconds > 0 {
		timeout = time.Duration(min(in.TimeoutSeconds, maxCommandTimeout.Seconds()) * float64(time.Second))
	}
	command, log, err := in.Command, "", error(nil)
	if in.RunInBackground {
		if command, log, err = b.background(in.Command); err != nil {
			return Failf("%v", err), nil
		}
	}
	res, err := b.Shell.Run(ctx, command, timeout, c.Out)
	if err != nil && ctx.Err() == nil {
		return Failf("%v", err), nil
	}
	out := Result{Failed: res.ExitCode != 0 || res.TimedOut || res.Interrupted, ExitCode: &res.ExitCode,
		Text: remarks(res, timeout), Detail: map[string]string{"dir": res.Dir}}
	if log != "" && !out.Failed {
		out.Text += fmt.Sprintf("Runs in the background; its output goes to %s\n", log)
	}
	return out, err
}

// remarks says what the output alone does not.
func remarks(res shell.Result, timeout time.Duration) string {
	var b strings.Builder
	switch {
	case res.TimedOut:
		fmt.Fprintf(&b, "\n[ended after %v: the time limit of the command; its processes were killed]\n", timeout)
	case res.Interrupted:
		b.WriteString("\n[interrupted; its processes were killed]\n")
	case res.ExitCode != 0:
		fmt.Fprintf(&b, "\n[exit status %d]\n", res.ExitCode)
	}
	if res.Restarted {
		fmt.Fprintf(&b, "[the shell itself ended; a new one begins in %s, without earlier variables]\n", res.Dir)
	}
	return b.String()
}

// background wraps a command so that it outlives the call with its output in a file.
func (b *Bash) background(command string) (wrapped, log string, err error) {
	if err := os.MkdirAll(b.LogDir, 0o700); err != nil {
		return "", "", err
	}
	b.logs++
	log = filepath.Join(b.LogDir, fmt.Sprintf("background-%d.log", b.logs))
	f, err := os.OpenFile(log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", "", err
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	return fmt.Sprintf("{ builtin eval %s; } >%s 2>&1 & builtin echo \"process id $!\"", quote(command), quote(log)), log, nil
}
