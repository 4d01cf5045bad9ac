package session_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const runID = "0190a000-0000-7000-8000-000000000001"

// memory is a session in memory: the log, and a bus whose signals may be lost on the way.
type memory struct {
	mu        sync.Mutex
	entries   []api.Entry
	state     api.RunState
	live      bool
	broken    error // what reads return
	illegible error // what reads of entries return
	asks      asks
	bus       map[chan session.Signal]context.Context
}

// asks counts what the log was asked.
type asks struct {
	reads       int // entries read
	head, heads int
}

func (m *memory) asked() asks {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asks
}

func newMemory() *memory {
	return &memory{state: api.RunStateINPROGRESS, live: true, bus: map[chan session.Signal]context.Context{}}
}

func (m *memory) Entries(_ context.Context, id string, after int64, limit int) ([]api.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(m.broken, m.illegible); err != nil {
		return nil, err
	}
	if after >= int64(len(m.entries)) {
		return nil, nil
	}
	page := m.entries[after:min(int(after)+limit, len(m.entries))]
	m.asks.reads += len(page)
	return append([]api.Entry(nil), page...), nil
}

func (m *memory) Head(_ context.Context, id string) (session.Head, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asks.head++
	if m.broken != nil {
		return session.Head{}, m.broken
	}
	if id != runID {
		return session.Head{}, api.NotFound("run", id)
	}
	return m.end(), nil
}

func (m *memory) Heads(_ context.Context, ids []string) (map[string]session.Head, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asks.heads++
	if m.broken != nil {
		return nil, m.broken
	}
	heads := map[string]session.Head{}
	if slices.Contains(ids, runID) {
		heads[runID] = m.end()
	}
	return heads, nil
}

func (m *memory) end() session.Head {
	return session.Head{LastSeq: int64(len(m.entries)), State: m.state, Live: m.live}
}

func (m *memory) Watch(ctx context.Context, id string) (<-chan session.Signal, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := make(chan session.Signal, 16)
	m.bus[c] = ctx
	context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.bus, c)
		close(c)
	})
	return c, nil
}

func (m *memory) watchers() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.bus)
}

func (m *memory) signal(s session.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.bus {
		select {
		case c <- s:
		default:
		}
	}
}

// put stores entries and returns the signal that says so.
func (m *memory) put(data ...api.EntryData) session.Signal {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range data {
		e := api.MakeEntry(time.Unix(0, 0).UTC(), d)
		m.entries = append(m.entries, api.Entry{Seq: int64(len(m.entries)) + 1, Type: e.Type, CreatedAt: e.CreatedAt, Data: e.Data})
		if s, ok := d.(api.StateChange); ok {
			m.state = s.To
		}
	}
	return session.Signal{LastSeq: int64(len(m.entries))}
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

// blot makes entries, but not where sessions stand, unreadable.
func (m *memory) blot(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.illegible = err
}

// line is an encoded item as the tests read it back.
type line struct {
	Seq    int64  `json:"seq,omitempty"`
	Key    string `json:"key,omitempty"`
	Offset int64  `json:"offset,omitempty"`
	Text   string `json:"text,omitempty"`
}

// encoder encodes items as lines and counts them.
type encoder struct{ calls atomic.Int64 }

func (c *encoder) encode(i session.Item) []byte {
	c.calls.Add(1)
	var l line
	switch {
	case i.Entry != nil:
		l.Seq = i.Entry.Seq
	case i.Delta != nil:
		l = line{Key: i.Delta.Key, Offset: i.Delta.Offset, Text: i.Delta.Text}
	}
	b, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	return append(b, '\n')
}

func decode(chunks [][]byte) ([]line, error) {
	var all []line
	for _, chunk := range chunks {
		for s := range strings.Lines(string(chunk)) {
			var l line
			if err := json.Unmarshal([]byte(s), &l); err != nil {
				return nil, fmt.Errorf("%q: %w", s, err)
			}
			all = append(all, l)
		}
	}
	return all, nil
}

func newService(t testing.TB, m *memory, change func(*session.Config)) (*session.Service, *encoder) {
	t.Helper()
	var enc encoder
	cfg := session.Config{Log: m, Bus: m, Logger: slog.New(slog.DiscardHandler), Encode: enc.encode}
	if change != nil {
		change(&cfg)
	}
	s := session.NewService(cfg)
	t.Cleanup(s.Close)
	return s, &enc
}

func follow(t testing.TB, s *session.Service, after int64) *session.Viewer {
	t.Helper()
	v, err := s.Follow(context.Background(), runID, after)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// next returns what the viewer gets within a generous time.
func next(t testing.TB, v *session.Viewer) []line {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), 30*time.Second, errors.New("nothing came"))
	defer cancel()
	chunks, err := v.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := decode(chunks)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func say(n int) []api.EntryData {
	all := make([]api.EntryData, n)
	for i := range all {
		all[i] = api.AgentMessage{Text: strings.Repeat("x", 20)}
	}
	return all
}
