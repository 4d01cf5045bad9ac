package runner

import (
	"context"

	"github.com/cadrehq/cadre/api"
)

// peers is how the agent of an execution reaches other runs: harness.Peers. What it says is redacted like
// everything that leaves the sandbox.
type peers struct{ r *execution }

// Send implements harness.Peers.
func (p *peers) Send(ctx context.Context, to []string, subject, body, key string) ([]string, error) {
	return p.r.client.SendMessage(ctx, api.SendMessageRequest{
		To: to, Subject: p.r.redactor.String(subject), Body: p.r.redactor.String(body), SenderRunId: p.r.assignment.RunId,
	}, key)
}

// Inbox implements harness.Peers.
func (p *peers) Inbox(ctx context.Context, unread bool, limit int) ([]api.MessageHeader, error) {
	return p.r.client.Messages(ctx, p.r.assignment.RunId, unread, limit)
}

// Read implements harness.Peers.
func (p *peers) Read(ctx context.Context, id string) (api.MessageBody, error) {
	return p.r.client.ReadMessage(ctx, id)
}

// Follow implements harness.Peers.
func (p *peers) Follow(ctx context.Context, since int64, tell func(api.AgentRunEvent)) error {
	return p.r.client.FollowEvents(ctx, p.r.assignment.RunId, since, tell)
}

// Wait implements harness.Peers. It does not wait for the report to arrive: entries follow it in order.
func (p *peers) Wait(ctx context.Context, waiting bool) error {
	report := api.RunnerReport{State: api.RunStateINPROGRESS}
	if waiting {
		report.Waiting = api.WaitingCodeMessages
	}
	return p.r.report(ctx, report)
}
