package event

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// beat is how often a server says that it is there; one that was silent for three of them is gone.
	beat = 5 * time.Second
	// dialWait bounds reaching the line, sayWait saying something on it.
	dialWait = 10 * time.Second
	sayWait  = 10 * time.Second
	// redial is the pause between attempts to reach the line.
	redial = 500 * time.Millisecond
)

// Line carries short texts between the servers of one installation: each hears what any of them says,
// itself included, in the order it was said. It guarantees nothing once it broke. Say and Hear are
// called from one goroutine each.
type Line interface {
	// Say says each of the texts, which have at most LineText bytes of UTF-8 without NUL.
	Say(ctx context.Context, texts []string) error
	// Hear waits for the next text.
	Hear(ctx context.Context) (string, error)
	Close()
}

// LineText is what a Line carries at once, in bytes.
const LineText = 7900

// errEcho ends a line that takes everything and delivers nothing.
var errEcho = errors.New("what this server says does not come back: is there a connection pooler between it and PostgreSQL?")

// relay passes what this bus publishes on to the other servers, and what they publish on to the
// subscribers here. While it knows of no other server it says nothing but that it is there.
type relay struct {
	bus  *Bus
	name string // of the server, for people
	self string // unique for ever
	dial func(context.Context) (Line, error)
	log  *slog.Logger
	out  *queue

	mu    sync.Mutex
	up    bool
	echo  time.Time           // when this server last heard itself
	peers map[string]*partner // by self
	kick  chan struct{}       // somebody should be told that this server is there; capacity 1
}

// partner is another server.
type partner struct {
	name  string
	heard time.Time
	words assembly
}

// Relay connects this bus with those of the other servers that dial the same line, until the bus
// closes. It is for buses that share no NATS, and is called at most once, before anything is
// published. A line that cannot be reached is tried for ever; meanwhile the servers find out by
// looking.
func (b *Bus) Relay(name string, dial func(context.Context) (Line, error)) {
	r := &relay{
		bus: b, name: name, self: rand.Text(), dial: dial, log: b.log, out: newQueue(queued),
		peers: make(map[string]*partner), kick: make(chan struct{}, 1),
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.relay.Store(r)
	b.done.Go(func() { r.run(b.running) })
}

// offer queues a message for the other servers, if there are any. It never waits.
func (r *relay) offer(m message) {
	r.mu.Lock()
	alone := len(r.peers) == 0
	r.mu.Unlock()
	if alone {
		return
	}
	if !r.out.offer(m) {
		r.bus.dropped.Add(1)
	}
}

// others is how many other servers are there, and whether the line works.
func (r *relay) others() (n int, up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.peers), r.up
}

// run keeps the line open until ctx ends.
func (r *relay) run(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		err := r.connected(ctx)
		if ctx.Err() != nil {
			return
		}
		if worked := r.lost(); worked || !failing {
			r.log.Warn("servers do not hear each other; what is done at another one takes seconds to show here", "error", err)
		}
		failing = true
		pause(ctx, redial)
	}
}

// lost forgets what held while the line worked, and reports whether it did.
func (r *relay) lost() (worked bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	worked = r.up
	r.up = false
	clear(r.peers)
	return worked
}

// connected serves one connection of the line and returns why it ended.
func (r *relay) connected(ctx context.Context) error {
	reach, cancel := context.WithTimeout(ctx, dialWait)
	line, err := r.dial(reach)
	cancel()
	if err != nil {
		return err
	}
	defer line.Close()
	r.mu.Lock()
	r.echo = time.Now()
	r.mu.Unlock()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var parts sync.WaitGroup
	parts.Go(func() { end(r.hear(ctx, line)) })
	parts.Go(func() { end(r.say(ctx, line)) })
	parts.Wait()
	return context.Cause(ctx)
}

// say passes on what is offered, several messages at a time, and says at every beat that this server
// is there.
func (r *relay) say(ctx context.Context, line Line) error {
	pulse := time.NewTicker(beat)
	defer pulse.Stop()
	out := frames{self: r.self}
	if err := r.tell(ctx, line, out.hello(r.name, true)); err != nil {
		return err
	}
	for {
		var texts []string
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-pulse.C:
			if err := r.listened(); err != nil {
				return err
			}
			texts = out.hello(r.name, false)
		case <-r.kick:
			texts = out.hello(r.name, false)
		case m := <-r.out.waiting:
			texts = out.messages(r.out.gather(m))
		}
		if err := r.tell(ctx, line, texts); err != nil {
			return err
		}
	}
}

func (r *relay) tell(ctx context.Context, line Line, texts []string) error {
	ctx, cancel := context.WithTimeout(ctx, sayWait)
	defer cancel()
	return line.Say(ctx, texts)
}

// listened forgets servers that fell silent, and fails when this one does not hear itself.
func (r *relay) listened() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Sub(r.echo) > 3*beat {
		return errEcho
	}
	for id, p := range r.peers {
		if now.Sub(p.heard) > 3*beat {
			delete(r.peers, id)
			r.log.Info("another server is gone", "server", p.name, "others", len(r.peers))
		}
	}
	return nil
}

// hear delivers what the other servers publish.
func (r *relay) hear(ctx context.Context, line Line) error {
	for {
		text, err := line.Hear(ctx)
		if err != nil {
			return err
		}
		f, ok := parseFrame(text)
		switch {
		case !ok: // a newer server's
		case f.from == r.self:
			r.heardMyself()
		default:
			r.heard(f)
		}
	}
}

func (r *relay) heardMyself() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.echo = time.Now()
	if !r.up {
		r.up = true
		r.log.Info("servers hear each other through PostgreSQL")
	}
}

// heard takes a frame of another server. Whatever it published before it was known here, or that got
// lost, may concern any subscriber: they look again.
func (r *relay) heard(f frame) {
	r.mu.Lock()
	p := r.peers[f.from]
	fresh := p == nil
	if fresh {
		p = &partner{}
		r.peers[f.from] = p
	}
	p.heard = time.Now()
	said, gap := p.words.add(f)
	if said.Name != "" {
		p.name = said.Name
	}
	n := len(r.peers)
	r.mu.Unlock()
	if fresh {
		r.log.Info("another server is there", "server", p.name, "others", n)
	}
	if fresh || said.Ask {
		r.answer()
	}
	if fresh || gap || said.Ask {
		r.bus.dropAll()
	}
	for _, m := range said.Messages {
		r.bus.route(m.Subject, []byte(m.Payload))
	}
}

// answer has the say loop say that this server is there, and that from here on it passes things on.
func (r *relay) answer() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// pause waits, or returns early when ctx ends.
func pause(ctx context.Context, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
