package link

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
)

// askTries is how often what the agent asks is tried, against a server that is away for a moment. Unlike
// what the runner must get through, it may fail: the agent is told and decides.
const askTries = 6

// ask makes a call that the agent wants. Its error is for the agent, and does not end the execution.
func ask[T any](ctx context.Context, c *Client, call func(context.Context) (T, error)) (T, error) {
	for attempt := 1; ; attempt++ {
		v, err := call(ctx)
		if err == nil || !Passes(err) || attempt == askTries {
			return v, err
		}
		if err := api.Pause(ctx, c.retry.delay(attempt)); err != nil {
			return v, err
		}
	}
}

// SendMessage sends a message of the run. The key makes it safe to repeat.
func (c *Client) SendMessage(ctx context.Context, req api.SendMessageRequest, key string) ([]string, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	v, err := ask(ctx, c, func(ctx context.Context) (api.SendMessageResponse, error) {
		return client.Read[api.SendMessageResponse](c.doWith(ctx, http.MethodPost, c.root+api.BasePath+"/agent/messages",
			bytes.NewReader(body), http.Header{"Idempotency-Key": {key}}))
	})
	return v.MessageIds, err
}

// Messages lists messages to a run.
func (c *Client) Messages(ctx context.Context, runID string, unread bool, limit int) ([]api.MessageHeader, error) {
	target := fmt.Sprintf("%s%s/agent/messages/%s?unread=%t&limit=%d", c.root, api.BasePath, url.PathEscape(runID), unread, limit)
	return ask(ctx, c, func(ctx context.Context) ([]api.MessageHeader, error) {
		return client.Read[[]api.MessageHeader](c.do(ctx, http.MethodGet, target, nil))
	})
}

// ReadMessage reads a message.
func (c *Client) ReadMessage(ctx context.Context, id string) (api.MessageBody, error) {
	return ask(ctx, c, func(ctx context.Context) (api.MessageBody, error) {
		return post[api.MessageBody](ctx, c, "/agent/messages/"+url.PathEscape(id)+"/read", nil)
	})
}

// FollowEvents tells of each event below a run, once and in order, until ctx ends (its cause is returned) or
// the server refuses. It comes back by itself after the connection breaks.
func (c *Client) FollowEvents(ctx context.Context, ancestor string, since int64, tell func(api.AgentRunEvent)) error {
	for attempt := 0; ; attempt++ {
		began := time.Now()
		target := fmt.Sprintf("%s%s/agent/events/stream?ancestor_run_id=%s&since=%d", c.root, api.BasePath, url.QueryEscape(ancestor), since)
		err := c.stream(ctx, target, func(data []byte) {
			var e api.AgentRunEvent
			if json.Unmarshal(data, &e) == nil && e.Sequence > since {
				since = e.Sequence
				tell(e)
			}
		})
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && !Passes(err):
			return fmt.Errorf("follow events: %w", err)
		case time.Since(began) > quietFor:
			attempt = 0
		}
		if err := api.Pause(ctx, c.retry.delay(attempt)); err != nil {
			return err
		}
	}
}
