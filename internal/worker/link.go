package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/cadrehq/cadre/api"
)

// errStopped ends the link when the worker stops.
var errStopped = errors.New("the worker stops")

// wire is the connection to the server: one at a time, made again for ever. What is queued while
// there is none leaves on the next one.
type wire struct {
	cfg   *Config
	url   string
	out   chan []byte
	hello func() api.Hello
	beat  func() api.Heartbeat
	take  func(context.Context, api.WorkerEnvelope)

	// sent are frames the server may not have read: written, but no ping answered since. They go
	// out again on the next connection. The server's side of every report is idempotent.
	mu   sync.Mutex
	sent [][]byte
	read uint64 // frames ever taken off the front of sent
}

// run keeps the worker connected until ctx ends; the last connection is then closed in good order,
// after what is queued was sent.
func (w *wire) run(ctx context.Context) {
	delay := w.cfg.ReconnectFirst
	for ctx.Err() == nil {
		conn, err := w.dial(ctx)
		if err == nil {
			delay = w.cfg.ReconnectFirst
			err = w.serve(ctx, conn)
			if ctx.Err() == nil {
				w.cfg.Log.Warn("connection to the server lost; connecting again", "error", err)
			}
			continue
		}
		if ctx.Err() != nil {
			return
		}
		w.cfg.Log.Warn("server not reached; trying again", "after", delay.String(), "error", err)
		if api.Pause(ctx, delay-rand.N(delay/4+1)) != nil {
			return
		}
		delay = min(2*delay, w.cfg.ReconnectMost)
	}
}

func (w *wire) dial(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Silence/2)
	defer cancel()
	conn, rsp, err := websocket.Dial(ctx, w.url, &websocket.DialOptions{
		HTTPClient: w.cfg.HTTPClient,
		HTTPHeader: http.Header{"Authorization": {"Bearer " + w.cfg.APIKey}},
	})
	if err == nil {
		conn.SetReadLimit(maxFrame)
		return conn, nil
	}
	if rsp != nil && (rsp.StatusCode == http.StatusUnauthorized || rsp.StatusCode == http.StatusForbidden) {
		return nil, fmt.Errorf("the server refuses the API key (status %d)", rsp.StatusCode)
	}
	return nil, err
}

// serve uses one connection until it breaks or ctx ends.
func (w *wire) serve(ctx context.Context, conn *websocket.Conn) error {
	defer func() { _ = conn.CloseNow() }()
	w.cfg.Log.Info("connected", "server", w.cfg.ServerRootURL, "host", w.cfg.WorkerID)
	if w.cfg.OnConnect != nil {
		w.cfg.OnConnect()
	}
	// The connection outlives ctx for a moment: reports made while the worker stops are sent first.
	live, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	var parts sync.WaitGroup
	part := func(run func(context.Context, *websocket.Conn) error) {
		parts.Go(func() { end(run(live, conn)) })
	}
	part(w.receive)
	part(w.ping)
	parts.Go(func() { end(w.write(ctx, live, conn)) })
	<-live.Done()
	err := context.Cause(live)
	_ = conn.CloseNow()
	parts.Wait()
	return err
}

// receive hands on what the server sends. Frames of unknown kinds are passed over: a newer server may
// send them.
func (w *wire) receive(ctx context.Context, conn *websocket.Conn) error {
	for {
		kind, frame, err := conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		var e api.WorkerEnvelope
		if kind != websocket.MessageText || json.Unmarshal(frame, &e) != nil || e.Type == "" {
			w.cfg.Log.Warn("frame not understood", "bytes", len(frame))
			continue
		}
		w.take(ctx, e)
	}
}

// ping notices a server that is gone without a word.
func (w *wire) ping(ctx context.Context, conn *websocket.Conn) error {
	for api.Pause(ctx, w.cfg.Ping) == nil {
		before := w.written()
		answer, cancel := context.WithTimeout(ctx, w.cfg.Silence-w.cfg.Ping)
		err := conn.Ping(answer)
		cancel()
		if err != nil {
			return fmt.Errorf("ping: %w", err)
		}
		// An answer means that everything written before it was asked has been read.
		w.forget(before)
	}
	return context.Cause(ctx)
}

// write sends hello, then what is queued, with heartbeats between. After ctx ended it sends what is
// left and returns errStopped.
func (w *wire) write(ctx, live context.Context, conn *websocket.Conn) error {
	if err := w.sendNow(live, conn, api.WorkerHello, w.hello()); err != nil {
		return err
	}
	for _, frame := range w.unread() {
		if err := send(live, conn, frame); err != nil {
			return err
		}
	}
	beat := time.NewTicker(w.cfg.Heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case frame := <-w.out:
			w.remember(frame)
			err = send(live, conn, frame)
		case <-beat.C:
			err = w.sendNow(live, conn, api.WorkerHeartbeat, w.beat())
		case <-ctx.Done():
			return w.drain(live, conn)
		case <-live.Done():
			return context.Cause(live)
		}
		if err != nil {
			return err
		}
	}
}

func (w *wire) drain(live context.Context, conn *websocket.Conn) error {
	for {
		select {
		case frame := <-w.out:
			w.remember(frame)
			if err := send(live, conn, frame); err != nil {
				return err
			}
		default:
			// Before anything is cancelled: that would break the connection instead.
			_ = conn.Close(websocket.StatusNormalClosure, "worker stops")
			return errStopped
		}
	}
}

// remember keeps a frame until the server is known to have read it; at most as many as the queue
// holds, the oldest going first.
func (w *wire) remember(frame []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sent = append(w.sent, frame); len(w.sent) > queueSize {
		w.sent = w.sent[1:]
		w.read++
	}
}

// written counts the frames ever written.
func (w *wire) written() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.read + uint64(len(w.sent))
}

// forget lets go of every frame but those written after the first n.
func (w *wire) forget(n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n > w.read {
		w.sent = slices.Clone(w.sent[n-w.read:])
		w.read = n
	}
}

func (w *wire) unread() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

func (w *wire) sendNow(ctx context.Context, conn *websocket.Conn, kind api.WorkerMessageType, data any) error {
	frame, err := encode(kind, data)
	if err != nil {
		return err
	}
	return send(ctx, conn, frame)
}

func send(ctx context.Context, conn *websocket.Conn, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	if err := conn.Write(ctx, websocket.MessageText, frame); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// queue queues a message. It waits a little for a queue that is full, then gives the message up.
func (w *wire) queue(kind api.WorkerMessageType, data any) {
	frame, err := encode(kind, data)
	if err != nil {
		w.cfg.Log.Error("message not sent", "type", kind, "error", err)
		return
	}
	select {
	case w.out <- frame:
		return
	default:
	}
	t := time.NewTimer(enqueueWait)
	defer t.Stop()
	select {
	case w.out <- frame:
	case <-t.C:
		w.cfg.Log.Error("message lost: the queue is full", "type", kind)
	}
}

func encode(kind api.WorkerMessageType, data any) ([]byte, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	return json.Marshal(api.WorkerEnvelope{Type: kind, Data: raw})
}
