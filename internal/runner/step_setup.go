package runner

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/cadrehq/cadre/api"
)

// setUp runs the set-up commands of the machine, then those of the environment, in order, each in a shell
// of its own at the root of the workspace. The first that fails ends the run.
func (r *execution) setUp(ctx context.Context) error {
	if err := r.setUpWith(ctx, "machine setup", "runner (the shape of machine)", r.assignment.Machine.SetupCommands); err != nil {
		return err
	}
	return r.setUpWith(ctx, "setup", "environment", r.assignment.Environment.SetupCommands)
}

// setUpWith runs the commands that a definition, of this noun, holds.
func (r *execution) setUpWith(ctx context.Context, phase, noun string, commands []string) error {
	if len(commands) == 0 {
		return nil
	}
	env, err := r.withSecrets(ctx, api.SecretPhaseSetup)
	if err != nil {
		return err
	}
	shell := "/bin/sh"
	if bash, err := exec.LookPath("bash"); err == nil {
		shell = bash
	}
	for i, text := range commands {
		name := fmt.Sprintf("%s %d of %d", phase, i+1, len(commands))
		err := r.phase(ctx, name, text, func(ctx context.Context, show func(string)) (string, error) {
			out, err := command{
				name: shell, args: []string{"-c", text}, dir: r.at.work, env: env, show: show, timeout: r.cfg.SetupTimeout,
			}.run(ctx)
			return out, setupError(noun, text, out, err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func setupError(noun, text, out string, err error) error {
	if err == nil {
		return nil
	}
	var c *commandError
	if !errors.As(err, &c) {
		return err
	}
	return &stepError{
		message: fmt.Sprintf("the set-up command %q failed: %s", clip(text, 200), c.what), output: out,
		advice: "Correct the command in the " + noun + "; its output is in the session.", err: err,
	}
}

// clip shortens a text for a message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
