package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Item is what a viewer receives: either an entry or a delta.
type Item struct {
	Entry *api.Entry
	Delta *api.Delta
}

// Config says what a Service works with. Log, Bus, Logger and Encode are required.
type Config struct {
	Log    Heads
	Bus    Bus
	Logger *slog.Logger
	// Encode writes an item as viewers receive it. It is called once per item and room, and must not
	// keep what it is given.
	Encode func(Item) []byte
	// Poll is how often the log is asked about all rooms, against lost hints. Default 15 s.
	Poll time.Duration
	// WindowBytes is how much of the newest encoded entries a room keeps for its viewers; it may
	// hold twice that for a moment. Default 256 KiB.
	WindowBytes int
	// DeltaBytes bounds the encoded deltas a room keeps. Default 128 KiB.
	DeltaBytes int
}

func (c Config) withDefaults() Config {
	if c.Poll <= 0 {
		c.Poll = 15 * time.Second
	}
	if c.WindowBytes <= 0 {
		c.WindowBytes = 256 << 10
	}
	if c.DeltaBytes <= 0 {
		c.DeltaBytes = 128 << 10
	}
	return c
}

// ErrClosed ends every viewer when the Service closes.
var ErrClosed = errors.New("session service is closed")

// Service serves readers of sessions. It is safe for concurrent use; Close it when done.
type Service struct {
	cfg  Config
	ctx  context.Context // of the rooms
	stop context.CancelCauseFunc
	done sync.WaitGroup

	mu     sync.Mutex // guards rooms and the viewers of each; taken before a room's own lock
	rooms  map[string]*room
	closed bool
}

// NewService returns a Service.
func NewService(cfg Config) *Service {
	s := &Service{cfg: cfg.withDefaults(), rooms: make(map[string]*room)}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	s.done.Go(s.lookOut)
	return s
}

// Close ends every viewer with ErrClosed and returns when the rooms are gone. It may be called twice.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop(ErrClosed)
	s.done.Wait()
}

// Heads returns where sessions stand, by run. Unknown runs are missing.
func (s *Service) Heads(ctx context.Context, runIDs []string) (map[string]Head, error) {
	return s.cfg.Log.Heads(ctx, runIDs)
}

// Entries returns at most limit entries after the given one.
func (s *Service) Entries(ctx context.Context, runID string, after int64, limit int) ([]api.Entry, error) {
	return s.cfg.Log.Entries(ctx, runID, after, limit)
}

// Follow watches a run from the entry after the given one. The caller has checked that the run may
// be seen, and closes the viewer.
func (s *Service) Follow(ctx context.Context, runID string, after int64) (*Viewer, error) {
	if after < 0 {
		return nil, api.Invalid("after", "must not be negative")
	}
	r, err := s.enter(runID)
	if err != nil {
		return nil, err
	}
	v := &Viewer{room: r, seq: after}
	select {
	case <-r.ready:
		err = r.failed
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err == nil {
		err = r.checkAfter(ctx, after)
	}
	if err != nil {
		v.Close()
		return nil, err
	}
	v.doubt = r.isOver()
	return v, nil
}

// enter finds or opens the room of a run and counts one more viewer in it.
func (s *Service) enter(runID string) (*room, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	r := s.rooms[runID]
	if r == nil {
		r = newRoom(s, runID)
		s.rooms[runID] = r
		s.done.Go(r.run)
	}
	r.viewers++
	return r, nil
}

// leave counts a viewer out and closes the room behind the last one.
func (s *Service) leave(r *room) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.viewers--; r.viewers > 0 {
		return
	}
	if s.rooms[r.runID] == r {
		delete(s.rooms, r.runID)
	}
	r.stop()
}

// abandon takes a room that could not open out of the way of later viewers.
func (s *Service) abandon(r *room) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[r.runID] == r {
		delete(s.rooms, r.runID)
	}
}

// pageEntries is how many entries are read at a time.
const pageEntries = 128

// each calls f for every entry of a run, in order, reading a page at a time.
func (s *Service) each(ctx context.Context, runID string, f func(api.Entry) error) error {
	for after := int64(0); ; {
		page, err := s.cfg.Log.Entries(ctx, runID, after, pageEntries)
		if err != nil {
			return fmt.Errorf("read session: %w", err)
		}
		for _, e := range page {
			if err := f(e); err != nil {
				return err
			}
			after = e.Seq
		}
		if len(page) < pageEntries {
			return nil
		}
	}
}

// Transcript writes every entry of a run as a line of JSON. An error of w is returned unchanged.
func (s *Service) Transcript(ctx context.Context, runID string, w io.Writer) error {
	enc := json.NewEncoder(w)
	return s.each(ctx, runID, func(e api.Entry) error { return enc.Encode(e) })
}

// Conversation returns the run's session in normalised form.
func (s *Service) Conversation(ctx context.Context, runID, conversationID string) (api.ConversationResponse, error) {
	c := newConversation(runID, conversationID)
	err := s.each(ctx, runID, func(e api.Entry) error {
		c.add(e)
		return nil
	})
	return c.out, err
}
