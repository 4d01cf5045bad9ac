package httpapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/session"
)

// handover is an answer whose connection can be taken over, and tells when that happens.
type handover struct {
	http.ResponseWriter
	conn  net.Conn
	taken func()
}

func (h handover) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h.taken()
	return h.conn, nil, nil
}

// TestNobodyForgetsAConnection: net/http forgets one the moment it is taken over, and a server that stops
// in that moment waits for it all the same.
func TestNobodyForgetsAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(t.Context(), Config{Log: slog.New(slog.DiscardHandler)})
		server, client := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, client) }()
		waited := make(chan struct{})
		w := handover{httptest.NewRecorder(), server, func() {
			go func() {
				a.Wait()
				close(waited)
			}()
			synctest.Wait()
		}}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		e := a.newEvents(w, r)
		if err := e.start(r); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case <-waited:
			t.Fatal("nobody waits for an open connection")
		default:
		}
		e.cancel()
		<-waited
		if _, err := server.Write(beat); err == nil {
			t.Error("the connection outlives the stream")
		}
	})
}

// TestSlowLineIsNotDead: a client that takes something all the time gets all of it, however long it takes.
func TestSlowLineIsNotDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		const pieces = 5
		got := make(chan int64)
		go func() {
			var n int64
			for range pieces {
				time.Sleep(viewerStall * 2 / 3)
				some, _ := io.CopyN(io.Discard, client, stride)
				n += some
			}
			got <- n
		}()
		err := (&events{taken: &taken{conn: server}}).write(make([]byte, pieces*stride))
		if n := <-got; err != nil || n != pieces*stride {
			t.Errorf("%d bytes of %d arrived: %v", n, pieces*stride, err)
		}
	})
}

// chatter is a session without entries, in which deltas come.
type chatter struct{ signals chan session.Signal }

func (chatter) Entries(context.Context, string, int64, int) ([]api.Entry, error) { return nil, nil }

func (chatter) Head(context.Context, string) (session.Head, error) {
	return session.Head{State: api.RunStateINPROGRESS}, nil
}

func (chatter) Heads(context.Context, []string) (map[string]session.Head, error) {
	return map[string]session.Head{}, nil
}

func (c chatter) Watch(context.Context, string) (<-chan session.Signal, error) { return c.signals, nil }

// TestBusyStreamIsCheckedToo: where net/http goes on serving a stream, one on which there is always
// something to send does not escape the question whether the client may still have it.
func TestBusyStreamIsCheckedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chatter{make(chan session.Signal)}
		s := session.NewService(session.Config{Log: c, Bus: c, Logger: slog.New(slog.DiscardHandler), Encode: EncodeEvent})
		defer s.Close()
		viewer, err := s.Follow(t.Context(), "run", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer viewer.Close()
		a := New(t.Context(), Config{Log: slog.New(slog.DiscardHandler)})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		show := &show{events: a.newEvents(httptest.NewRecorder(), r), viewer: viewer, checked: time.Now()}
		answer := error(nil)
		show.recheck = func(context.Context) error { return answer }
		go show.run()
		talk := func(seconds int) {
			for range seconds {
				time.Sleep(time.Second)
				c.signals <- session.Signal{Deltas: []api.Delta{{Key: "m", Text: "word"}}}
				synctest.Wait()
			}
		}
		talk(100)
		answer = errors.New("the database is away")
		talk(100)
		if show.ctx.Err() != nil {
			t.Error("trouble of the server's own ended the stream")
		}
		answer = api.Fail(api.PlatformErrorCodeAuthenticationRequired, "the key was revoked")
		talk(int(heartbeat.Seconds()) + 1)
		if show.ctx.Err() == nil {
			t.Error("the stream goes on without permission")
		}
		show.cancel()
	})
}

// whoever is an identity whose bearer changes.
type whoever struct {
	Identity
	actor identity.Actor
	err   error
}

func (w *whoever) Identify(context.Context, identity.Credential) (identity.Actor, error) {
	return w.actor, w.err
}

// TestStreamEndsWithItsTeam: a person who was removed from a team stays signed in, and works for another
// one. What they watch is still the first one's.
func TestStreamEndsWithItsTeam(t *testing.T) {
	t.Parallel()
	me := identity.Actor{Kind: identity.KindUser, UID: "me", TeamUID: "first", Role: identity.RoleAdmin}
	who := &whoever{actor: me}
	a := New(t.Context(), Config{Identity: who, Log: slog.New(slog.DiscardHandler)})
	var s *state
	handler := a.guard(operation{id: "probe", permission: identity.PermRead}, func(_ http.ResponseWriter, r *http.Request) {
		s = stateOf(r.Context())
	})
	r := httptest.NewRequestWithContext(context.WithValue(t.Context(), stateKey{}, &state{}), http.MethodGet, "/", http.NoBody)
	handler(httptest.NewRecorder(), r)
	if s == nil {
		t.Fatal("refused")
	}
	who.actor.Name = "another name"
	if err := s.recheck(t.Context()); err != nil {
		t.Errorf("nothing that matters changed: %v", err)
	}
	who.actor.TeamUID = "second"
	if err := s.recheck(t.Context()); err == nil || ours(err) {
		t.Errorf("in another team: %v", err)
	}
	who.actor, who.err = me, errors.New("the database is away")
	if err := s.recheck(t.Context()); err == nil || !ours(err) {
		t.Errorf("unknown: %v", err)
	}
}
