package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
)

// defaultHarness is the wire's name of the harness of a run that names none.
const defaultHarness = "oz"

// startHarness starts the agent. Its home is the repository when there is exactly one.
func (r *execution) startHarness(ctx context.Context) error {
	name := r.harnessName()
	h := r.find(name)
	if h == nil {
		return r.phase(ctx, "harness", "", func(context.Context, func(string)) (string, error) {
			return "", &stepError{message: fmt.Sprintf("this runner has no harness %q", name), advice: "Choose another harness.", code: api.PlatformErrorCodeFeatureNotAvailable}
		})
	}
	for _, e := range r.history {
		if m, err := e.Decode(); err == nil {
			if m, ok := m.(api.UserMessage); ok && m.CommandID != 0 {
				r.inbox.MarkSeen(m.CommandID)
			}
		}
	}
	env, err := r.withSecrets(ctx, api.SecretPhaseAgent)
	if err != nil {
		return err
	}
	return r.phase(ctx, "harness "+name, "", func(ctx context.Context, _ func(string)) (string, error) {
		s := r.session()
		s.Env = env
		s.Assignment.Config.McpServers = r.fillServers(ctx, s.Assignment.Config.McpServers)
		agent, err := h.Start(ctx, s)
		if err != nil {
			return "", startError(err)
		}
		r.agent = agent
		return "", nil
	})
}

func (r *execution) harnessName() string {
	if name := string(r.assignment.Config.Harness.Type); name != "" {
		return name
	}
	return defaultHarness
}

// startError gives an error without a code the one of an agent that did not start.
func startError(err error) error {
	var f *api.Failure
	if errors.As(err, &f) {
		return err
	}
	return &stepError{message: err.Error(), code: api.PlatformErrorCodeAgentProcessFailed, err: err}
}

func (r *execution) find(name string) harness.Harness {
	for _, h := range r.cfg.Harnesses {
		if string(h.Name()) == name {
			return h
		}
	}
	return nil
}

func (r *execution) session() harness.Session {
	dir := r.at.work
	if len(r.repos) == 1 {
		dir = r.repos[0].dir
	}
	return harness.Session{
		Assignment: r.assignment, History: r.history, Sink: r.sink, Inbox: &r.inbox, Peers: &peers{r},
		Workdir: r.at.work, Dir: dir, Home: value(r.env, "HOME"), SkillDirs: r.cfg.SkillDirs, ScratchDir: r.at.scratch,
		Token: r.cfg.Token, Redact: r.redactor.String, Attachments: &r.files,
		MCPStartTimeout: r.cfg.MCPStartTimeout, StrictMCP: r.cfg.StrictMCP, Log: r.cfg.Log,
	}
}
