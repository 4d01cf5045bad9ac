package httpapi

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/session"
)

// TestAttend: a quiet connection is attended to with every heartbeat until that says no, or the client
// has gone.
func TestAttend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		ticks, began := 0, time.Now()
		(&taken{conn: server}).attend(func() bool { ticks++; return ticks < 4 })
		if took := time.Since(began); ticks != 4 || took != 4*heartbeat {
			t.Errorf("%d ticks in %s", ticks, took)
		}
		ended := make(chan struct{})
		go func() {
			(&taken{conn: server}).attend(func() bool { ticks++; return true })
			close(ended)
		}()
		if _, err := client.Write([]byte("what nobody asked for")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		_ = client.Close()
		<-ended
		if ticks != 4 {
			t.Errorf("%d ticks", ticks)
		}
		// Who talks all the time is attended to as well.
		server, client = net.Pipe()
		var talk sync.WaitGroup
		talk.Go(func() {
			for err := error(nil); err == nil; _, err = client.Write([]byte("x")) {
				time.Sleep(heartbeat / 2)
			}
		})
		ticks, began = 0, time.Now()
		(&taken{conn: server}).attend(func() bool { ticks++; return ticks < 4 })
		if took := time.Since(began); ticks != 4 || took != 4*heartbeat {
			t.Errorf("%d ticks in %s beside chatter", ticks, took)
		}
		_ = server.Close()
		talk.Wait()
	})
}

// TestStalledWriteFails, and leaves nothing behind that would fail the next one.
func TestStalledWriteFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		began := time.Now()
		if err := (&taken{conn: server}).write(beat); err == nil || time.Since(began) != viewerStall {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		go func() { _, _ = io.Copy(io.Discard, client) }()
		for range 3 {
			if err := (&taken{conn: server}).write(beat); err != nil {
				t.Error(err)
			}
			time.Sleep(viewerStall)
		}
		_ = server.Close()
	})
}

// TestDirectlyNeverWaits: what does not fit is left, and nothing is written twice.
func TestDirectlyNeverWaits(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	write := directly(server)
	if write == nil {
		if runtime.GOOS == "linux" {
			t.Fatal("a TCP connection cannot be written to directly")
		}
		t.Skip("not a unix system: streams go the ordinary way")
	}
	var sent bytes.Buffer
	for i := byte(0); ; i++ {
		chunk := bytes.Repeat([]byte{i}, 100<<10)
		n := write(chunk)
		sent.Write(chunk[:n])
		if n < len(chunk) {
			break
		}
	}
	if n := write([]byte("more")); n != 0 {
		t.Errorf("a full connection took %d bytes", n)
	}
	_ = server.Close()
	if n := write([]byte("more")); n != 0 {
		t.Errorf("a closed connection took %d bytes", n)
	}
	got, err := io.ReadAll(client)
	if err != nil || !bytes.Equal(got, sent.Bytes()) {
		t.Errorf("%d bytes arrived of %d: %v", len(got), sent.Len(), err)
	}
}

// headsOnly is sessions of which only the heads are asked for.
type headsOnly struct {
	Sessions
	heads map[string]session.Head
	asked atomic.Int64
}

func (h *headsOnly) Heads(context.Context, []string) (map[string]session.Head, error) {
	h.asked.Add(1)
	return h.heads, nil
}

// TestRunnersAreLookedAfterTogether: one query for all, and only those look who may have missed a bell or
// whose execution may be over.
func TestRunnersAreLookedAfterTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		working := session.Head{State: api.RunStateINPROGRESS, Live: true, Execution: 1}
		with := func(change func(*session.Head)) session.Head {
			h := working
			change(&h)
			return h
		}
		sessions := &headsOnly{heads: map[string]session.Head{
			"quiet":      working,
			"consumed":   with(func(h *session.Head) { h.LastCommand = 5 }),
			"missed":     with(func(h *session.Head) { h.LastCommand = 6 }),
			"cancelled":  with(func(h *session.Head) { h.State = api.RunStateCANCELLED }),
			"ended":      with(func(h *session.Head) { h.Live = false }),
			"superseded": with(func(h *session.Head) { h.Execution = 2 }),
		}}
		ctx, stop := context.WithCancel(t.Context())
		a := New(ctx, Config{Sessions: sessions, Log: slog.New(slog.DiscardHandler)})
		streams := map[string]*commandStream{}
		for _, id := range []string{"quiet", "consumed", "missed", "cancelled", "ended", "superseded", "unknown"} {
			s := &commandStream{actor: identity.Actor{RunID: id, Execution: 1}, poke: make(chan struct{}, 1)}
			s.last.Store(5)
			streams[id] = s
			a.runners.add(a, s)
		}
		poked := func() map[string]bool {
			time.Sleep(heartbeat)
			synctest.Wait()
			got := map[string]bool{}
			for id, s := range streams {
				select {
				case <-s.poke:
					got[id] = true
				default:
				}
			}
			return got
		}
		got := poked()
		if len(got) != 5 || got["quiet"] || got["consumed"] || sessions.asked.Load() != 1 {
			t.Errorf("told to look: %v; asked %d times", got, sessions.asked.Load())
		}
		if got := poked(); got["missed"] || !got["cancelled"] {
			t.Errorf("told to look the second time: %v", got)
		}
		for _, s := range streams {
			a.runners.remove(s)
		}
		poked()
		a.runners.mu.Lock()
		looking := a.runners.looking
		a.runners.mu.Unlock()
		if looking || sessions.asked.Load() != 2 {
			t.Errorf("nobody is left: asked %d times, looking %v", sessions.asked.Load(), looking)
		}
		a.runners.add(a, streams["missed"])
		if got := poked(); !got["missed"] {
			t.Error("nobody looks after those who come later")
		}
		stop()
		a.Wait()
	})
}
