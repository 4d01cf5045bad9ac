// Package demo is the showcase: a real run on a real git repository whose test fails.
//
// It owns the repository, its server, the scripted turns played when no model is configured, and
// the check that the run really did its work. It refuses to pretend: it succeeds only when the run
// did and the patch it reported is there.
package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
)

//go:embed prompt.txt
var prompt string

//go:embed script.yaml
var script string

// environmentName is the environment the showcase makes, or finds from last time.
const environmentName = "showcase"

// Options say where the showcase is carried out.
type Options struct {
	// Client is the server, as a user who may define environments and start runs.
	Client *client.Client
	// RepoURL replaces the repository the showcase serves itself, for servers elsewhere.
	RepoURL string
	// Model replaces the server's default model.
	Model string
	// Host is the worker host that shall carry the run out; empty is the server's default.
	Host string
	// Say shows a person what is being done.
	Say func(format string, args ...any)
	// Follow shows the session until the run ends or waits for somebody.
	Follow func(ctx context.Context, runID string) error
}

// Result is what the showcase produced.
type Result struct {
	Run      api.RunItem
	Artifact api.Artifact
	Model    api.ModelInfo
}

// ErrRemote says that the server cannot reach a repository served by this machine on loopback.
var ErrRemote = errors.New("the server is not on this machine, so its workers cannot clone from here")

// Run carries the showcase out.
func Run(ctx context.Context, o Options) (Result, error) {
	var res Result
	cloneURL := o.RepoURL
	if cloneURL == "" {
		if !OnThisMachine(o.Client.Root()) {
			return res, ErrRemote
		}
		o.Say("Making a small git repository with a failing test and serving it on this machine")
		repo, err := ServeRepository(ctx)
		if err != nil {
			return res, err
		}
		defer func() { _ = repo.Close() }() // what is left is in a temporary directory
		cloneURL = repo.URL
	}
	var err error
	if res.Model, err = chooseModel(ctx, o); err != nil {
		return res, err
	}
	created, err := start(ctx, o, res.Model, cloneURL)
	if err != nil {
		return res, err
	}
	if err := o.Follow(ctx, created.RunId); err != nil {
		return res, err
	}
	return check(ctx, o, res, created.RunId)
}

// OnThisMachine says whether a server's URL is on this machine.
func OnThisMachine(root string) bool {
	u, err := url.Parse(root)
	if err != nil {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// chooseModel finds the model that is asked for or the server's default.
func chooseModel(ctx context.Context, o Options) (api.ModelInfo, error) {
	models, err := o.Client.Models(ctx)
	if err != nil {
		return api.ModelInfo{}, err
	}
	want := o.Model
	if want == "" {
		want = models.DefaultModelId
	}
	for _, m := range models.Models {
		if m.Id == want {
			return m, nil
		}
	}
	return api.ModelInfo{}, fmt.Errorf("the server has no model %q", want)
}

// start defines the environment and starts the run.
func start(ctx context.Context, o Options, model api.ModelInfo, cloneURL string) (api.RunAgentResponse, error) {
	env, err := environment(ctx, o.Client, cloneURL)
	if err != nil {
		return api.RunAgentResponse{}, fmt.Errorf("define the environment: %w", err)
	}
	text := prompt
	if model.Scripted {
		o.Say("No model key is configured: the model is %q, which plays prepared turns. Everything else is real.", model.Id)
		// The fence is longer than any in the script.
		text += "\n`````scripted\n" + script + "`````\n"
	} else {
		o.Say("The model is %s", model.DisplayName)
	}
	created, err := o.Client.CreateRun(ctx, api.RunAgentRequest{
		Title:  "Fix the failing test of the showcase",
		Prompt: text,
		Mode:   api.RunModeNormal,
		Config: api.AmbientAgentConfig{Name: environmentName, EnvironmentId: env, ModelId: model.Id, WorkerHost: o.Host},
	})
	if err != nil {
		return created, fmt.Errorf("start the run: %w", err)
	}
	o.Say("Run ID: %s", created.RunId)
	return created, nil
}

// environment makes the showcase's environment, or points last time's at this time's repository.
func environment(ctx context.Context, c *client.Client, cloneURL string) (string, error) {
	name := strings.TrimSuffix(path.Base(cloneURL), ".git")
	req := api.EnvironmentRequest{Config: api.CloudEnvironmentConfig{
		Name:        environmentName,
		Description: "A small Go module with a failing test, served while 'cadre demo' or 'cadre up --demo' runs",
		SourceRepos: []api.SourceRepo{{Owner: "showcase", Repo: name, Url: cloneURL}},
	}}
	envs, err := c.Environments(ctx)
	if err != nil {
		return "", err
	}
	for _, e := range envs {
		if e.Config.Name == environmentName {
			_, err := c.UpdateEnvironment(ctx, e.Uid, req)
			return e.Uid, err
		}
	}
	e, err := c.CreateEnvironment(ctx, req)
	return e.Uid, err
}

// maxPatch bounds the patch that is fetched to be checked.
const maxPatch = 1 << 20

// check makes sure that the run did its work: it SUCCEEDED and its patch can be downloaded.
func check(ctx context.Context, o Options, res Result, runID string) (Result, error) {
	var err error
	if res.Run, err = o.Client.GetRun(ctx, runID); err != nil {
		return res, err
	}
	if res.Run.State != api.RunStateSUCCEEDED {
		return res, fmt.Errorf("the run ended %s: %s", res.Run.State, res.Run.StatusMessage.Message)
	}
	if err := sawTestFixed(ctx, o.Client, runID); err != nil {
		return res, err
	}
	for _, a := range res.Run.Artifacts {
		if a.ArtifactType != api.ArtifactTypeFILE || !strings.HasSuffix(a.Data.Filename, ".patch") {
			continue
		}
		content, err := o.Client.Artifact(ctx, a.Data.ArtifactUid)
		if err != nil {
			return res, fmt.Errorf("fetch the patch: %w", err)
		}
		patch := &limited{left: maxPatch}
		if _, err := o.Client.DownloadArtifact(ctx, content, patch); err != nil {
			return res, fmt.Errorf("download the patch: %w", err)
		}
		if !strings.Contains(patch.String(), "diff --git ") {
			return res, fmt.Errorf("artifact %s is no patch", a.Data.ArtifactUid)
		}
		res.Artifact = a
		return res, nil
	}
	return res, errors.New("the run succeeded but reported no patch")
}

// sawTestFixed makes sure, from the record, that the test was seen to fail and later to pass: an agent
// that only says so did not do its work.
func sawTestFixed(ctx context.Context, c *client.Client, runID string) error {
	failed := false
	for after := int64(0); ; {
		page, err := c.Entries(ctx, runID, after, 0)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			data, err := e.Decode()
			result, ok := data.(api.ActionResult)
			if err != nil || !ok {
				continue
			}
			switch {
			case strings.Contains(result.Output, "--- FAIL: TestNewest"):
				failed = true
			case failed && strings.Contains(result.Output, "ok  \texample.com/releases"):
				return nil
			}
		}
		if len(page.Entries) == 0 {
			break
		}
		after = page.NextAfter
	}
	if failed {
		return errors.New("the test was not seen to pass after the fix")
	}
	return errors.New("the test was not seen to fail before the fix")
}

// limited is a buffer that refuses to grow beyond its bound.
type limited struct {
	strings.Builder
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, errors.New("larger than a patch may be")
	}
	return l.Builder.Write(b)
}
