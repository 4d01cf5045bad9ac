package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/link"
)

// withSecrets is the environment of a phase: that of every process, and the run's secrets. They are known
// to the redactor before anything can show them.
func (r *execution) withSecrets(ctx context.Context, phase api.SecretPhase) ([]string, error) {
	got, err := r.takeSecrets(ctx, phase)
	if err != nil {
		return nil, err
	}
	if len(got.Unresolved) > 0 && phase == api.SecretPhaseAgent {
		r.notice(ctx, api.NoticeWarning, "These secrets are asked for and not there: "+strings.Join(got.Unresolved, ", ")+". The run goes on without them.")
	}
	env := slices.Clone(r.env)
	for _, s := range got.Secrets {
		value := s.Value
		if s.FileName != "" {
			if value, err = r.secretFile(phase, s); err != nil {
				return nil, &stepError{step: "secrets", message: "a secret's file could not be made: " + err.Error(), code: api.PlatformErrorCodeInternalError, err: err}
			}
		}
		env = slices.DeleteFunc(env, func(have string) bool { return strings.HasPrefix(have, s.Name+"=") })
		env = append(env, s.Name+"="+value)
	}
	return env, nil
}

// takeSecrets asks the server for a phase's values. It gives those of the set-up commands once: whoever
// begins anew in the same sandbox uses what it has.
func (r *execution) takeSecrets(ctx context.Context, phase api.SecretPhase) (api.RunnerSecretsResponse, error) {
	got, err := r.client.Secrets(ctx, phase)
	if had, ok := r.secrets[phase]; ok && api.CodeOf(err) == api.PlatformErrorCodeOperationNotSupported {
		return had, nil
	}
	if err != nil {
		if errors.Is(err, link.ErrOver) || ctx.Err() != nil {
			return got, err
		}
		return got, asStepError("secrets", err)
	}
	if r.secrets == nil {
		r.secrets = map[api.SecretPhase]api.RunnerSecretsResponse{}
	}
	r.secrets[phase] = got
	values := make([]string, 0, len(got.Secrets))
	for _, s := range got.Secrets {
		values = append(values, s.Value, string(s.Data))
	}
	r.redactor.Add(values...)
	return got, nil
}

// secretFile makes the file of a secret, outside the workspace, and returns its path.
func (r *execution) secretFile(phase api.SecretPhase, s api.RunnerSecret) (string, error) {
	dir := filepath.Join(r.at.scratch, "secrets", string(phase), s.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(dir, api.FileName(s.FileName))
	// A file that is there may be the agent's own making: it is replaced, never followed.
	if err := os.RemoveAll(path); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(s.Data)
	return path, errors.Join(err, f.Close())
}

// placeholder is {{NAME}} in the configuration of an MCP server; its braces may be escaped as in JSON.
var placeholder = regexp.MustCompile(`(?:\{|\\u007[bB]){2}\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?:\}|\\u007[dD]){2}`)

// fillServers puts the agent's secrets where the configuration of its MCP servers names them. One that is
// not there stays as it stands, and is told.
func (r *execution) fillServers(ctx context.Context, servers map[string]api.MCPServerConfig) map[string]api.MCPServerConfig {
	values := map[string]string{}
	for _, s := range r.secrets[api.SecretPhaseAgent].Secrets {
		values[s.Name] = s.Value
		if s.FileName != "" {
			values[s.Name] = string(s.Data)
		}
	}
	out := make(map[string]api.MCPServerConfig, len(servers))
	for name, m := range servers {
		fill := func(text string) string {
			return placeholder.ReplaceAllStringFunc(text, func(found string) string {
				secret := placeholder.FindStringSubmatch(found)[1]
				value, ok := values[secret]
				if !ok {
					r.notice(ctx, api.NoticeWarning, fmt.Sprintf("The MCP server %s names the secret %s, which this run does not have.", clip(name, 100), secret))
					return found
				}
				return value
			})
		}
		m.Command, m.Url = fill(m.Command), fill(m.Url)
		m.Args = slices.Clone(m.Args)
		for i := range m.Args {
			m.Args[i] = fill(m.Args[i])
		}
		m.Env, m.Headers = fillAll(m.Env, fill), fillAll(m.Headers, fill)
		out[name] = m
	}
	return out
}

func fillAll(in map[string]string, fill func(string) string) map[string]string {
	out := make(map[string]string, len(in))
	for k, v := range in {
		out[k] = fill(v)
	}
	return out
}
