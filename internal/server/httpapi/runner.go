package httpapi

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// RunnerStart serves POST /runner/start.
func (a *API) RunnerStart(ctx context.Context, req api.RunnerStartRequestObject) (api.RunnerStartResponseObject, error) {
	r, x, err := a.cfg.Runs.Start(ctx, actorOf(ctx), *req.Body)
	if err != nil {
		return nil, err
	}
	assignment, err := a.assignment(ctx, r, x)
	return api.RunnerStart200JSONResponse(assignment), err
}

// assignment is all an execution needs to know.
func (a *API) assignment(ctx context.Context, r run.Run, x run.Execution) (api.RunnerAssignment, error) {
	model, err := a.cfg.Models.ForRunner(ctx, r, a.root(ctx))
	if err != nil {
		return api.RunnerAssignment{}, err
	}
	waiting, err := a.cfg.Runs.Commands(ctx, actorOf(ctx))
	if err != nil {
		return api.RunnerAssignment{}, err
	}
	files, err := a.allFiles(ctx, r)
	if err != nil {
		return api.RunnerAssignment{}, err
	}
	assignment := api.RunnerAssignment{
		RunId: r.ID, ExecutionId: x.ID, Execution: x.Number, ParentRunId: r.ParentID, ConversationId: r.ConversationID,
		Title: r.Title, Prompt: r.Prompt, Mode: r.Mode, State: r.State, Interactive: r.Interactive, Config: r.Config,
		Attachments: files, Model: model, Limits: a.runnerLimits(),
		LastSeq: r.LastSeq, NextIndex: x.NextIndex, SnapshotDisabled: r.NoSnapshot, Commands: a.wireCommands(waiting),
		BaseUrl: a.root(ctx), RunUrl: a.cfg.Runs.Link(r.ID),
	}
	assignment.IdleSeconds = a.idle(r)
	if err := a.addKit(ctx, r, &assignment); err != nil {
		return api.RunnerAssignment{}, err
	}
	return assignment, a.addSnapshot(ctx, r, &assignment)
}

func (a *API) wireCommands(list []run.Command) []api.Command {
	out := make([]api.Command, 0, len(list))
	for _, c := range list {
		out = append(out, a.wireCommand(c))
	}
	return out
}

// wireCommand is a command as its runner reads it. Links to its files have no host: the runner knows how
// it reaches this server.
func (a *API) wireCommand(c run.Command) api.Command {
	w := c.Wire()
	expires := a.cfg.Now().Add(linkLife).UTC().Truncate(time.Second)
	for _, f := range c.Attachments {
		w.Attachments = append(w.Attachments, api.RunnerAttachment{
			Id: f.ID, FileName: f.FileName, MimeType: f.MimeType, DownloadUrl: a.signed(api.BasePath+"/blobs/"+f.BlobID, expires),
		})
	}
	return w
}

// allFiles are what a new sandbox finds beside its workspace: the files given to the run, and those that
// an agent uploaded from an earlier one.
func (a *API) allFiles(ctx context.Context, r run.Run) ([]api.RunnerAttachment, error) {
	files, err := a.cfg.Runs.Attachments(ctx, r)
	if err != nil {
		return nil, err
	}
	left, err := a.cfg.Runs.SnapshotFiles(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	for _, u := range left {
		files = append(files, run.Attachment{ID: u.ID, FileName: u.Name, MimeType: u.MimeType, BlobID: u.BlobID})
	}
	return a.attachments(ctx, files), nil
}

func (a *API) runnerLimits() api.RunnerLimits {
	entries := a.cfg.Runs.Limits()
	return api.RunnerLimits{
		HeartbeatSeconds: int(a.cfg.Heartbeat.Seconds()), MaxEntryBytes: entries.EntryBytes, MaxBatchEntries: entries.BatchEntries,
		MaxBlobBytes: a.cfg.Limits.Blob, MaxRunSeconds: int(a.cfg.MaxRun.Seconds()),
	}
}

// idle says how long the sandbox stays for follow-ups after the work. After a failure it stays only
// where the environment asks for it: see addKit.
func (a *API) idle(r run.Run) (seconds int) {
	if m := r.Config.IdleTimeoutMinutes; m != nil {
		return int(*m) * 60
	}
	return int(a.cfg.Idle.Seconds())
}

// addKit gives the runner what is shared as it is now.
func (a *API) addKit(ctx context.Context, r run.Run, assignment *api.RunnerAssignment) error {
	team, person := r.Ruled()
	config := r.Config
	if config.EnvironmentId == run.EmptyEnvironment {
		config.EnvironmentId = ""
	}
	kit, err := a.cfg.Kits.Kit(ctx, config, team, person)
	if err != nil {
		return err
	}
	assignment.Environment, assignment.Machine, assignment.Config.McpServers = kit.Environment, kit.Machine, kit.Servers
	for _, rules := range kit.Rules {
		assignment.Rules = append(assignment.Rules, rules.Wire())
	}
	if minutes := kit.Environment.FailureSessionRetentionMinutes; minutes != nil {
		assignment.IdleOnFailSeconds = *minutes * 60
	}
	return nil
}

func (a *API) addSnapshot(ctx context.Context, r run.Run, assignment *api.RunnerAssignment) error {
	last, err := a.cfg.Runs.LastSnapshot(ctx, r.ID)
	if err != nil {
		return err
	}
	assignment.SnapshotSeq = last.Seq
	if last.Blob != "" {
		assignment.SnapshotUrl, _ = a.blobLink(ctx, last.Blob)
	}
	return nil
}

// RunnerAppend serves POST /runner/entries.
func (a *API) RunnerAppend(ctx context.Context, req api.RunnerAppendRequestObject) (api.RunnerAppendResponseObject, error) {
	done, err := a.cfg.Runs.Append(ctx, actorOf(ctx), *req.Body)
	if err != nil {
		return nil, err
	}
	out := api.RunnerAppend200JSONResponse{LastSeq: done.LastSeq, State: done.Run.State}
	if done.Execution != nil {
		out.NextIndex = done.Execution.NextIndex
	}
	return out, nil
}

// RunnerDeltas serves POST /runner/deltas.
func (a *API) RunnerDeltas(ctx context.Context, req api.RunnerDeltasRequestObject) (api.RunnerDeltasResponseObject, error) {
	if err := a.checkExecution(ctx); err != nil {
		return nil, err
	}
	a.cfg.Deltas(actorOf(ctx).RunID, req.Body.Deltas)
	return api.RunnerDeltas204Response{}, nil
}

// RunnerSecrets serves POST /runner/secrets.
func (a *API) RunnerSecrets(ctx context.Context, req api.RunnerSecretsRequestObject) (api.RunnerSecretsResponseObject, error) {
	out, err := a.cfg.Runs.Secrets(ctx, actorOf(ctx), req.Body.Phase)
	return api.RunnerSecrets200JSONResponse(out), err
}

// RunnerHeartbeat serves POST /runner/heartbeat.
func (a *API) RunnerHeartbeat(ctx context.Context, _ api.RunnerHeartbeatRequestObject) (api.RunnerHeartbeatResponseObject, error) {
	until, cancelled, err := a.cfg.Runs.Heartbeat(ctx, actorOf(ctx))
	return api.RunnerHeartbeat200JSONResponse{LeaseExpiresAt: until, Cancelled: cancelled}, err
}

// RunnerEnd serves POST /runner/end.
func (a *API) RunnerEnd(ctx context.Context, req api.RunnerEndRequestObject) (api.RunnerEndResponseObject, error) {
	err := a.cfg.Runs.End(ctx, actorOf(ctx), *req.Body)
	return api.RunnerEnd204Response{}, err
}
