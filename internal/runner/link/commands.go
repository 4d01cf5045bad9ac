package link

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
)

// maxCommand bounds one command on the stream: a follow-up's text and what surrounds it.
const maxCommand = 4 << 20

// quietFor is how long the stream may be silent before it counts as dead. The server sends
// heartbeats far more often.
const quietFor = 60 * time.Second

// Commands follows the commands of the run and hands each to put, until ctx ends (its cause is
// returned) or the execution is over. It comes back by itself after the connection breaks; the server
// then repeats what was not consumed, so put sees commands more than once.
func (c *Client) Commands(ctx context.Context, put func(api.Command)) error {
	for attempt := 0; ; attempt++ {
		began := time.Now()
		err := over(c.follow(ctx, put))
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && !Passes(err):
			return fmt.Errorf("follow commands: %w", err)
		case time.Since(began) > quietFor:
			attempt = 0
		}
		if err := api.Pause(ctx, c.retry.delay(attempt)); err != nil {
			return err
		}
	}
}

// follow reads one connection of the stream to its end.
func (c *Client) follow(ctx context.Context, put func(api.Command)) error {
	return c.stream(ctx, c.root+api.BasePath+"/runner/commands/stream", func(data []byte) {
		var cmd api.Command
		if err := json.Unmarshal(data, &cmd); err == nil && cmd.Id > 0 {
			put(cmd)
		}
	})
}

// stream hands the data of each server-sent event to take, until the stream ends.
func (c *Client) stream(ctx context.Context, target string, take func(data []byte)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(quietFor, cancel)
	defer watchdog.Stop()
	rsp, err := c.do(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	if rsp.StatusCode != http.StatusOK {
		_, err := client.Read[json.RawMessage](rsp, nil)
		return err
	}
	defer func() { _ = rsp.Body.Close() }()
	lines := bufio.NewScanner(rsp.Body)
	lines.Buffer(make([]byte, 0, 4<<10), maxCommand)
	var data []byte
	for lines.Scan() {
		watchdog.Reset(quietFor)
		line := lines.Bytes()
		if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
			continue
		}
		if len(line) > 0 || len(data) == 0 {
			continue
		}
		take(data)
		data = nil
	}
	if err := lines.Err(); err != nil && !errors.Is(err, context.Canceled) {
		return &client.Unreachable{Root: c.root, Err: err}
	}
	return nil
}
