package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"time"

	"github.com/cadrehq/cadre/api"
)

// SendMessage puts a message into the mailboxes of runs and returns the ids of its copies, in the order of
// the recipients. A request whose answer is lost is sent again and sends nothing twice.
func (c *Client) SendMessage(ctx context.Context, req api.SendMessageRequest) ([]string, error) {
	params := api.SendMessageParams{IdempotencyKey: rand.Text()}
	v, err := Read[api.SendMessageResponse](c.raw.SendMessage(ctx, &params, req))
	return v.MessageIds, err
}

// Messages lists at most limit messages (100) to a run that were sent at or after a time, oldest first.
func (c *Client) Messages(ctx context.Context, runID string, unread bool, since time.Time, limit int) ([]api.MessageHeader, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if unread {
		q.Set("unread", "true")
	}
	if !since.IsZero() {
		q.Set("since", since.UTC().Format(time.RFC3339Nano))
	}
	return Read[[]api.MessageHeader](c.raw.ListMessages(ctx, runID, nil, Query(q)))
}

// ReadMessage returns a message, which is read from then on.
func (c *Client) ReadMessage(ctx context.Context, id string) (api.MessageBody, error) {
	return Read[api.MessageBody](c.raw.ReadMessage(ctx, id))
}

// MarkMessageDelivered says that a message has reached the agent it is for.
func (c *Client) MarkMessageDelivered(ctx context.Context, id string) error {
	_, err := Read[json.RawMessage](c.raw.MarkMessageDelivered(ctx, id))
	return err
}

// Events lists at most limit events (500) of runs after the one numbered since, oldest first.
func (c *Client) Events(ctx context.Context, runIDs []string, since int64, limit int) ([]api.AgentRunEvent, error) {
	q := url.Values{"run_ids": runIDs, "since": {strconv.FormatInt(since, 10)}, "limit": {strconv.Itoa(limit)}}
	return Read[[]api.AgentRunEvent](c.raw.ListEvents(ctx, nil, Query(q)))
}

// Following says whose events to follow: those of runs, or of everything below Ancestor.
type Following struct {
	RunIDs   []string
	Ancestor string
	Self     bool // also the ancestor itself
}

// RunEvent is one thing seen while following runs; exactly one of Event and Lost is set.
type RunEvent struct {
	Event *api.AgentRunEvent
	// Lost says that the connection was lost and is being made again after Retry.
	Lost  error
	Retry time.Duration
}

// FollowEvents yields what happens to runs after the event numbered since, each event once and in order,
// until ctx ends. Lost connections and final answers are as for Follow.
func (c *Client) FollowEvents(ctx context.Context, whose Following, since int64) iter.Seq2[RunEvent, error] {
	q := url.Values{"run_ids[]": whose.RunIDs}
	if whose.Ancestor != "" {
		q.Set("ancestor_run_id", whose.Ancestor)
		q.Set("include_self", strconv.FormatBool(whose.Self))
	}
	return func(yield func(RunEvent, error) bool) {
		last, stopped := since, false
		emit := func(e RunEvent) error {
			if stopped = !yield(e, nil); stopped {
				return errStop
			}
			return nil
		}
		err := c.insist(ctx, "/agent/events/stream?"+q.Encode(), &last, func(ev sseEvent) error {
			var e api.AgentRunEvent
			if err := json.Unmarshal(ev.data, &e); err != nil {
				return fmt.Errorf("event: %w", err)
			}
			if e.Sequence <= last {
				return nil
			}
			last = e.Sequence
			return emit(RunEvent{Event: &e})
		}, func(err error, delay time.Duration) bool { return emit(RunEvent{Lost: err, Retry: delay}) == nil })
		if err != nil && !stopped {
			yield(RunEvent{}, err)
		}
	}
}

// ReportEvent moves a run that its client carries out to the state that the event tells of, and returns the
// number of the event.
func (c *Client) ReportEvent(ctx context.Context, runID string, req api.ReportEventRequest) (int64, error) {
	v, err := Read[api.ReportEventResponse](c.raw.ReportEvent(ctx, runID, req))
	return v.Sequence, err
}

// SetEventSequence keeps how far events were followed for a run.
func (c *Client) SetEventSequence(ctx context.Context, runID string, sequence int64) error {
	_, err := Read[json.RawMessage](c.raw.SetEventSequence(ctx, runID, api.EventSequenceRequest{Sequence: sequence}))
	return err
}

// ReportClientEvent tells of a step that a client went through.
func (c *Client) ReportClientEvent(ctx context.Context, runID string, req api.ClientEventRequest) error {
	_, err := Read[json.RawMessage](c.raw.ReportClientEvent(ctx, runID, req))
	return err
}
