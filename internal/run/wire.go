package run

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Items are runs as the API shows them, with their artifacts and children. The caller has checked
// that they may be seen.
func (s *Service) Items(ctx context.Context, runs ...Run) ([]api.RunItem, error) {
	if len(runs) == 0 {
		return []api.RunItem{}, nil
	}
	ids := make([]string, len(runs))
	for i, r := range runs {
		ids[i] = r.ID
	}
	artifacts, err := s.cfg.History.Artifacts(ctx, ids...)
	if err != nil {
		return nil, err
	}
	children, err := s.cfg.History.Children(ctx, ids...)
	if err != nil {
		return nil, err
	}
	items, now := make([]api.RunItem, len(runs)), s.now()
	for i, r := range runs {
		items[i] = s.item(r, artifacts[r.ID], now)
		items[i].Children = children[r.ID]
	}
	return items, nil
}

// Item is one run as the API shows it, with the secrets it received.
func (s *Service) Item(ctx context.Context, r Run) (api.RunItem, error) {
	items, err := s.Items(ctx, r)
	if err != nil {
		return api.RunItem{}, err
	}
	if s.cfg.Secrets == nil {
		return items[0], nil
	}
	got, err := s.cfg.Secrets.Received(ctx, r.ID)
	items[0].Secrets, items[0].UnresolvedSecrets = got.Secrets, got.Unresolved
	return items[0], err
}

// Link is where a person sees the run.
func (s *Service) Link(runID string) string { return s.cfg.PublicURL + "/runs/" + runID }

func (s *Service) item(r Run, artifacts []Artifact, now time.Time) api.RunItem {
	item := api.RunItem{
		RunId: r.ID, Title: r.Title, Prompt: r.Prompt, State: r.State, StatusMessage: r.statusMessage(),
		Waiting: r.Waiting, Mode: r.Mode, Source: r.Source, ExecutionLocation: r.Location,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, StartedAt: r.StartedAt,
		SessionId: r.SessionID, SessionLink: s.Link(r.ID), ConversationId: r.ConversationID, ParentRunId: r.ParentID,
		Archived: r.Archived, Creator: r.Creator, Executor: r.Executor, Scope: api.Scope{Type: r.Owner.Type, Uid: r.Owner.UID},
		AgentConfig: r.Config, Metadata: r.Metadata, RequestUsage: r.Usage.wire(),
		IsSandboxRunning: r.sandboxRunning(), IsRunTypeCancellable: cancellable(r),
		Execution: r.Execution, LastSeq: r.LastSeq, LastEventSequence: r.EventSeq, Artifacts: make([]api.ArtifactItem, 0, len(artifacts)),
	}
	item.TaskId = r.ID //nolint:staticcheck // deprecated on the wire, but clients that are about require it
	item.Schedule, item.TriggerUrl = r.Origin.Schedule, r.Origin.URL
	item.ForkedFrom, item.RetryOf = api.ForkOrigin{RunId: r.Origin.Fork.RunID, Seq: r.Origin.Fork.Seq}, r.Origin.RetryOf
	for _, a := range artifacts {
		item.Artifacts = append(item.Artifacts, a.Wire())
	}
	if r.Skill != "" {
		item.AgentSkill = api.RunAgentSkill{Name: skillName(r.Skill), FullPath: r.Skill}
	}
	if active := r.activeFor(now); active > 0 {
		item.RunTime = isoDuration(active)
	}
	return item
}

// sandboxRunning reports whether a sandbox is up in which the agent works or may be spoken to.
func (r Run) sandboxRunning() bool {
	switch r.State {
	case api.RunStateQUEUED, api.RunStatePENDING, api.RunStateCLAIMED:
		return false
	}
	return r.Live
}

// statusMessage is what the state is shown with: its own message, else why the run waits.
func (r Run) statusMessage() api.RunStatusMessage {
	m := api.RunStatusMessage{Message: orElse(r.Message, r.Waiting.Message), ErrorCode: r.ErrorCode}
	if r.State == api.RunStateFAILED || r.State == api.RunStateERROR {
		m.Retryable = &r.Retryable
	}
	return m
}

// wire is what the run's model calls consumed. The reference counts in credits; here a credit is a
// dollar.
func (u Totals) wire() api.RequestUsage {
	cost := u.InputUSD + u.OutputUSD + u.CacheReadUSD + u.CacheWriteUSD
	return api.RequestUsage{
		InferenceCost: cost, InferenceCostUsd: cost,
		TotalTokens: float64(u.InputTokens + u.OutputTokens + u.CacheReadTokens + u.CacheWriteTokens),
		InferenceCostBreakdownUsd: api.InferenceCostBreakdownUsd{
			InputCostUsd: u.InputUSD, OutputCostUsd: u.OutputUSD,
			InputCacheReadCostUsd: u.CacheReadUSD, InputCacheWriteCostUsd: u.CacheWriteUSD,
		},
	}
}

// Wire is the request as the API shows it.
func (r Request) Wire() api.RunRequest {
	w := api.RunRequest{
		Id: r.ID, Kind: r.Kind, Prompt: r.Prompt, Action: r.Action, Input: r.Input, Options: r.Options,
		Multiple: r.Multiple, CreatedAt: r.CreatedAt,
	}
	if r.Answer != nil {
		w.Answer = *r.Answer
	}
	return w
}

// isoDuration writes a duration as ISO 8601 does: PT2M30S. Below a second it keeps milliseconds.
func isoDuration(d time.Duration) string {
	if d >= time.Second {
		d = d.Truncate(time.Second)
	} else {
		d = d.Truncate(time.Millisecond)
	}
	var b strings.Builder
	b.WriteString("PT")
	if h := d / time.Hour; h > 0 {
		b.WriteString(strconv.FormatInt(int64(h), 10) + "H")
	}
	if m := d % time.Hour / time.Minute; m > 0 {
		b.WriteString(strconv.FormatInt(int64(m), 10) + "M")
	}
	if s := (d % time.Minute).Seconds(); s > 0 || d < time.Minute {
		b.WriteString(strconv.FormatFloat(s, 'f', -1, 64) + "S")
	}
	return b.String()
}
