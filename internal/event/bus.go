package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	// incoming bounds messages received and not routed yet; further ones are dropped by the NATS
	// client, which reports the subscription they were for.
	incoming = 8192
	// readyWait bounds the start of the NATS server in the process, which takes milliseconds.
	readyWait = 10 * time.Second
	// subscribeWait bounds waiting for NATS to confirm a subscription.
	subscribeWait = 2 * time.Second
	// writeWait bounds a write to an external NATS, and so what a stalled one holds up, Close above all.
	writeWait = 2 * time.Second
	// pingEvery is how often the connection is tried out; one that fails twice is made anew.
	pingEvery = 10 * time.Second
	// reconnectWait is the pause between attempts to reach an external NATS.
	reconnectWait = 250 * time.Millisecond
)

// Config says where the bus is.
type Config struct {
	// URL is an external NATS, such as nats://user:password@host:4222, or several separated by
	// commas. Empty runs a NATS server in this process that listens nowhere.
	URL string
	// Logger is required.
	Logger *slog.Logger
}

// Bus publishes and delivers hints. Its methods may be called concurrently, and after Close, when
// they do nothing.
type Bus struct {
	log    *slog.Logger
	server *server.Server // nil when the NATS is external
	conn   *nats.Conn

	out     *queue
	in      chan *nats.Msg
	dropped atomic.Int64

	mu     sync.Mutex
	topics map[string]*topic
	closed bool

	relay   atomic.Pointer[relay] // nil unless this bus is connected with others by a Line
	running context.Context       // until Close
	stop    func()
	done    sync.WaitGroup
}

// Open starts the bus. An external NATS that cannot be reached is no error: the bus drops what is
// published until it is, and tries for ever. Close it when done.
func Open(ctx context.Context, cfg Config) (*Bus, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open bus: %w", context.Cause(ctx))
	}
	b := &Bus{
		log:    cfg.Logger,
		out:    newQueue(queued),
		in:     make(chan *nats.Msg, incoming),
		topics: make(map[string]*topic),
	}
	if err := b.connect(cfg.URL); err != nil {
		b.shutdown()
		return nil, err
	}
	b.running, b.stop = context.WithCancel(context.Background())
	b.done.Go(func() { b.publishAll(b.running) })
	b.done.Go(func() { b.routeAll(b.running) })
	return b, nil
}

func (b *Bus) connect(address string) error {
	options := []nats.Option{
		nats.Name("cadre"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.FlusherTimeout(writeWait),
		nats.PingInterval(pingEvery),
		// Hints that waited out a disconnection are stale: the reader is told to look anyway.
		nats.ReconnectBufSize(-1),
		nats.ReconnectHandler(func(*nats.Conn) {
			b.log.Info("bus connected again")
			b.dropAll()
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Warn("bus disconnected", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			b.log.Warn("bus error", "error", err)
			if sub != nil {
				b.dropOn(sub.Subject)
			}
		}),
	}
	if address == "" {
		s, err := serve()
		if err != nil {
			return err
		}
		b.server = s
		options = append(options, nats.InProcessServer(s))
	} else {
		if err := check(address); err != nil {
			return err
		}
		options = append(options, nats.RetryOnFailedConnect(true),
			nats.ConnectHandler(func(*nats.Conn) {
				b.log.Info("bus connected")
				b.dropAll()
			}))
	}
	c, err := nats.Connect(address, options...)
	if err != nil {
		return fmt.Errorf("connect to bus: %w", err)
	}
	b.conn = c
	return nil
}

// check names what is wrong with an address without repeating it: it may hold a password.
func check(address string) error {
	for one := range strings.SplitSeq(address, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Host == "" {
			return errors.New("bus URL: want nats://[user:password@]host:port, or several with commas between")
		}
	}
	return nil
}

// serve starts a NATS server without listeners, storage or signal handlers.
func serve() (*server.Server, error) {
	s, err := server.NewServer(&server.Options{
		ServerName: "cadre",
		DontListen: true,
		NoSigs:     true,
		NoLog:      true,
	})
	if err != nil {
		return nil, fmt.Errorf("make NATS server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(readyWait) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("start NATS server: not ready within %s", readyWait)
	}
	return s, nil
}

// Connected says whether messages flow right now.
func (b *Bus) Connected() bool { return b.conn.IsConnected() }

// Reach says in a few words which servers this bus connects, for operators.
func (b *Bus) Reach() string {
	if b.server == nil {
		return "all servers of one NATS"
	}
	r := b.relay.Load()
	if r == nil {
		return "this server only"
	}
	others, up := r.others()
	switch {
	case !up:
		return "this server only: no connection for PostgreSQL notifications"
	case others == 0:
		return "by PostgreSQL notifications; no other server is there"
	}
	return fmt.Sprintf("%d servers by PostgreSQL notifications", others+1)
}

// Dropped counts messages that were not published because the bus was down or full.
func (b *Bus) Dropped() int64 { return b.dropped.Load() }

// Close ends every subscription, closing its channel, and the bus. It may be called twice.
func (b *Bus) Close() {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	b.closed = true
	topics := b.topics
	b.topics = nil
	b.mu.Unlock()

	for _, t := range topics {
		for w := range t.watchers {
			w.close()
		}
	}
	b.stop()
	b.done.Wait()
	b.shutdown()
}

func (b *Bus) shutdown() {
	if b.conn != nil {
		b.conn.Close()
	}
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
}

// publish queues a message. It is the only way out and never waits.
func (b *Bus) publish(subject string, payload []byte) {
	m := message{subject, payload}
	if !b.out.offer(m) {
		b.dropped.Add(1)
	}
	if r := b.relay.Load(); r != nil {
		r.offer(m)
	}
}

// publishAll hands queued messages to NATS. It may wait on a stalled connection, which is why
// publish does not call NATS itself.
func (b *Bus) publishAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-b.out.waiting:
			b.out.took(m)
			if err := b.conn.Publish(m.subject, m.payload); err != nil {
				b.dropped.Add(1)
			}
		}
	}
}

func (b *Bus) routeAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-b.in:
			b.route(m.Subject, m.Data)
		}
	}
}
