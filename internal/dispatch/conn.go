package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
)

const (
	// MaxFrame bounds a frame received from a worker, in bytes. Transports enforce it.
	MaxFrame = 1 << 20

	// writeWait bounds sending one frame.
	writeWait = 10 * time.Second
	// outgoing bounds frames waiting to be sent. Offers are bounded by the window, so only a worker
	// that stopped reading fills it; its connection is ended.
	outgoing = 4 * maxWindow

	// maxComplaints bounds what one connection can make this server log about its messages.
	maxComplaints = 10

	// maxWindow bounds the offers to one connection whose claim is not committed yet, so that a slow
	// store slows offering down instead of letting claims grow old.
	maxWindow = 256
	// firstWindow is where the window starts for a worker of unknown capacity. It grows by one with
	// every claim, so that a backlog is not thrown at a worker that takes four runs.
	firstWindow = 8
	// helloWait is how long a new connection gets no offers unless its worker says hello, so that one
	// which knows its capacity is not offered more before it could say so.
	helloWait = 250 * time.Millisecond
	// fullWait is how long a worker that rejected an offer gets none, unless one of its runs ends.
	fullWait = 10 * time.Second
	// learnedWait is how long a worker of unknown capacity is taken at its word after it rejected an
	// offer; then it is offered one run more than it had.
	learnedWait = 30 * time.Second
)

// Transport is one connection to a worker: text frames, each a JSON api.WorkerEnvelope. Send, Receive
// and Ping are called from one goroutine each; all fail once the connection ended.
type Transport interface {
	Send(ctx context.Context, frame []byte) error
	// Receive waits for the next frame. It fails on one larger than MaxFrame.
	Receive(ctx context.Context) ([]byte, error)
	// Ping returns when the worker's end answered.
	Ping(ctx context.Context) error
}

// WorkerInfo is what the HTTP layer knows of a connection.
type WorkerInfo struct {
	Host    string // the worker_id it gave
	TeamUID string // of its key
	Remote  string // address, for logs
	// RootURL is the server's address as the worker reached it, without a slash at its end; empty
	// takes Config.RootURL.
	RootURL string
}

// Validate refuses worker ids that no run could name.
func (w WorkerInfo) Validate() error {
	switch {
	case w.Host == "":
		return api.Invalid("worker_id", "required")
	case len(w.Host) > 128:
		return api.Invalid("worker_id", "at most 128 bytes")
	case !utf8.ValidString(w.Host) || strings.ContainsFunc(w.Host, unicode.IsControl):
		return api.Invalid("worker_id", "must be printable text")
	case strings.HasPrefix(strings.ToLower(w.Host), "warp"):
		return api.Invalid("worker_id", "names that begin with %q are reserved", "warp")
	}
	return nil
}

// conn is one connected worker. Dispatcher.mu guards what follows the blank line.
type conn struct {
	id    string // unique for ever: instance/boot/number
	info  WorkerInfo
	place Place
	since time.Time
	out   chan []byte
	end   context.CancelCauseFunc
	lanes *lanes

	closed    bool
	greeted   bool // it speaks hello and heartbeat
	version   string
	backend   string
	capacity  int // 0: unbounded or unknown
	seen      time.Time
	tasks     map[string]*task   // by execution id
	byRun     map[string][]*task // oldest first
	unclaimed int                // tasks whose claim is not committed yet
	window    int
	full      time.Time // no offers before
	learned   int       // runs it had when it rejected an offer; 0: it has not, or took more since
	relearn   time.Time // when to offer it one more than that
}

// free is how many more runs may be offered.
func (c *conn) free(now time.Time) int {
	if c.closed || now.Before(c.full) {
		return 0
	}
	free := c.window - c.unclaimed
	if c.capacity > 0 {
		free = min(free, c.capacity-len(c.tasks))
	}
	if c.learned > 0 {
		limit := c.learned
		if !now.Before(c.relearn) {
			limit++ // perhaps it takes more by now
		}
		free = min(free, limit-len(c.tasks))
	}
	return max(free, 0)
}

// roomy reports whether a good part of the window is free: a round for each single claim would read
// the queue as often as there are runs in it.
func (c *conn) roomy() bool { return c.window-c.unclaimed >= c.window/4 }

// refused notes a rejection: a worker that said nothing of its capacity has shown it now; any other,
// or one that runs nothing, just wants no more for a while.
func (c *conn) refused(now time.Time) {
	if running := len(c.tasks) - c.unclaimed; !c.greeted && running > 0 {
		c.learned, c.relearn = running, now.Add(learnedWait)
		return
	}
	c.full = now.Add(fullWait)
}

// send hands a frame to the writer without waiting.
func (c *conn) send(frame []byte) {
	select {
	case c.out <- frame:
	default:
		c.end(errors.New("worker does not read"))
	}
}

// Serve runs a worker's connection until it ends, and returns why. The caller closes the transport.
func (d *Dispatcher) Serve(ctx context.Context, transport Transport, info WorkerInfo) error {
	if err := info.Validate(); err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	c, err := d.connect(info, end)
	if err != nil {
		return err
	}
	log := d.cfg.Logger.With("worker_id", info.Host, "connection", c.id)
	log.Info("worker connected", "remote", info.Remote, "team_uid", info.TeamUID)

	silent := time.AfterFunc(helloWait, func() { d.hint(Wake{Host: info.Host}) })
	defer silent.Stop()
	var parts sync.WaitGroup
	parts.Go(func() { c.write(ctx, transport) })
	parts.Go(func() { d.probe(ctx, c, transport) })
	err = d.read(ctx, c, transport)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	end(err)
	d.disconnect(ctx, c)
	parts.Wait()
	c.lanes.wait()
	log.Info("worker disconnected", "reason", err)
	return err
}

func (d *Dispatcher) connect(info WorkerInfo, end context.CancelCauseFunc) (*conn, error) {
	now := d.now()
	c := &conn{
		id:     d.cfg.Instance + "/" + d.boot + "/" + d.cfg.NewID(),
		info:   info,
		place:  Place{Host: info.Host, TeamUID: info.TeamUID},
		since:  now,
		out:    make(chan []byte, outgoing),
		end:    end,
		lanes:  newLanes(4 * maxWindow),
		seen:   now,
		tasks:  make(map[string]*task),
		byRun:  make(map[string][]*task),
		window: firstWindow,
		full:   now.Add(helloWait),
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return nil, ErrStopped
	}
	d.registry.add(c)
	return c, nil
}

// disconnect forgets the connection. What was offered and not claimed goes back in line at once;
// claimed executions keep their lease: the worker may come back.
func (d *Dispatcher) disconnect(ctx context.Context, c *conn) {
	d.mu.Lock()
	offered := d.registry.remove(c)
	d.mu.Unlock()
	each(offered, func(t *task) { d.takeBack(ctx, t, "the worker's connection ended") })
}

func (c *conn) write(ctx context.Context, transport Transport) {
	for {
		select {
		case <-ctx.Done():
			return
		case frame := <-c.out:
			bounded, cancel := context.WithTimeout(ctx, writeWait)
			err := transport.Send(bounded, frame)
			cancel()
			if err != nil {
				c.end(fmt.Errorf("send to worker: %w", err))
				return
			}
		}
	}
}

// probe pings at a third of a lease, unless something was heard meanwhile. An answer proves that the
// worker still has what it claimed, so that leases hold that are shorter than its heartbeats are
// apart; silence ends the connection.
func (d *Dispatcher) probe(ctx context.Context, c *conn, transport Transport) {
	for pause(ctx, d.cfg.Lease/3) {
		if d.fresh(c) {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, d.cfg.Lease/2)
		err := transport.Ping(bounded)
		cancel()
		if err != nil {
			c.end(fmt.Errorf("ping worker: %w", err))
			return
		}
		d.alive(c)
	}
}

// fresh reports whether a heartbeat made a ping needless.
func (d *Dispatcher) fresh(c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return c.greeted && d.now().Sub(c.seen) < d.cfg.Lease/3
}

func (d *Dispatcher) alive(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.seen = d.now()
	for _, t := range c.tasks {
		if t.state == taskClaimed && !t.forgotten {
			t.proof = c.seen
		}
	}
}

func (d *Dispatcher) read(ctx context.Context, c *conn, transport Transport) error {
	for ignored := 0; ; {
		frame, err := transport.Receive(ctx)
		if err != nil {
			return fmt.Errorf("receive from worker: %w", err)
		}
		d.mu.Lock()
		c.seen = d.now()
		d.mu.Unlock()
		if err := d.receive(ctx, c, frame); err != nil {
			// A worker that goes on like this must not fill the log.
			if ignored++; ignored <= maxComplaints {
				d.cfg.Logger.Warn("worker message ignored", "worker_id", c.info.Host, "connection", c.id,
					"error", err, "last_mention", ignored == maxComplaints)
			}
		}
	}
}

// frameOf encodes a message.
func frameOf(kind api.WorkerMessageType, data any) ([]byte, error) {
	body, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	frame, err := json.Marshal(api.WorkerEnvelope{Type: kind, Data: body})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	return frame, nil
}
