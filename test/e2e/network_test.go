package e2e

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/server"
	"github.com/cadrehq/cadre/internal/worker"
	"github.com/cadrehq/cadre/internal/worker/backend/direct"
)

// wire is a TCP connection between a worker with its sandboxes and the server that can be cut.
type wire struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	state  wireState
	opened chan struct{} // closed when the wire carries again
	conns  map[net.Conn]bool
	done   sync.WaitGroup
}

type wireState int

const (
	carries   wireState = iota
	refuses             // connections are broken at once
	swallows            // connections stay and carry nothing
	wireEnded           // the test is over
)

func newWire(t *testing.T, url string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &wire{listener: l, target: strings.TrimPrefix(url, "http://"), conns: map[net.Conn]bool{}, opened: make(chan struct{})}
	close(n.opened)
	n.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.done.Go(func() { n.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		n.set(wireEnded)
		n.done.Wait()
	})
	return n
}

func (n *wire) url() string { return "http://" + n.listener.Addr().String() }

// set changes what the wire does, for open connections too.
func (n *wire) set(s wireState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	was := n.state
	n.state = s
	if was == swallows && s != swallows {
		close(n.opened)
	}
	if was != swallows && s == swallows {
		n.opened = make(chan struct{})
	}
	if s == refuses || s == wireEnded {
		for c := range n.conns {
			c.Close()
		}
	}
}

func (n *wire) now() (wireState, chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state, n.opened
}

func (n *wire) keep(c net.Conn) (keep bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state == refuses || n.state == wireEnded {
		c.Close()
		return false
	}
	n.conns[c] = true
	return true
}

func (n *wire) drop(c net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, c)
	c.Close()
}

func (n *wire) serve(near net.Conn) {
	if !n.keep(near) {
		return
	}
	defer n.drop(near)
	far, err := net.Dial("tcp", n.target)
	if err != nil || !n.keep(far) {
		return
	}
	defer n.drop(far)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			n.copy(way[1], way[0])
			near.Close()
			far.Close()
		})
	}
	both.Wait()
}

// copy carries bytes while the wire does. What arrives while it swallows is delivered late, as by a
// network that comes back.
func (n *wire) copy(to io.Writer, from io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		k, err := from.Read(buf)
		for {
			state, opened := n.now()
			if state != swallows {
				break
			}
			<-opened
		}
		if k > 0 {
			if _, err := to.Write(buf[:k]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// TestWorkerCutOff cuts a worker off for longer than a lease: its run goes on in another sandbox when
// it is back, what the first one does is refused and ended, and no step is recorded twice.
func TestWorkerCutOff(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]wireState{"broken": refuses, "silent": swallows} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *server.Config) { c.Lease = 3 * time.Second })
			cut := newWire(t, w.url)
			w.work(func(c *worker.Config, b *direct.Config) { c.ServerRootURL = cut.url() })
			id := w.start(script(
				say("One.", bash("echo one")),
				say("Two.", bash("echo two; sleep 8")),
				say("Three.", bash("echo three")),
				say("Done."),
			))
			w.until("the second step to begin", func() bool { return len(of[api.Action](w, id)) == 2 })
			cut.set(how)
			w.until("the loss to be noticed", func() bool {
				run := w.get(id)
				return run.State == api.RunStateQUEUED && (run.Waiting.Code == api.WaitingCodeWorkerLost || run.Waiting.Code == api.WaitingCodeNoWorker)
			})
			cut.set(carries)
			run := w.finish(id)
			if run.Execution < 2 {
				t.Errorf("execution %d", run.Execution)
			}
			said := map[string]int{}
			for _, m := range of[api.AgentMessage](w, id) {
				said[m.Text]++
			}
			results := map[string]int{}
			for _, r := range w.results(id) {
				results[r.ActionID]++
			}
			for text, n := range said {
				if n != 1 {
					t.Errorf("%q was said %d times", text, n)
				}
			}
			for id, n := range results {
				if n != 1 {
					t.Errorf("action %s has %d results", id, n)
				}
			}
			if said["Done."] != 1 || len(results) != 3 {
				t.Errorf("session:\n%s", w.dump(id))
			}
		})
	}
}

// TestShortCut: a connection that is lost for less than a lease costs nothing, and neither does a lease
// that is shorter than a worker's heartbeats are apart.
func TestShortCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *server.Config) { c.Lease = 4 * time.Second })
	cut := newWire(t, w.url)
	w.work(func(c *worker.Config, b *direct.Config) { c.ServerRootURL = cut.url() })
	id := w.start(script(say("Long.", bash("for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 1; done")), say("Done.")))
	w.until("the command to begin", func() bool { return len(of[api.Action](w, id)) == 1 })
	cut.set(refuses)
	time.Sleep(500 * time.Millisecond) // shorter than the lease: the story itself, not a wait for anything
	cut.set(carries)
	run := w.finish(id)
	if run.Execution != 1 {
		t.Errorf("it took %d executions\n%s", run.Execution, w.dump(id))
	}
	contains(t, "the output", w.results(id)[0].Output, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n")
}
