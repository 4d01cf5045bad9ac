package store

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// calm is how long writing must have worked for the trouble to count as over: next to a full disk,
// small writes still succeed now and then.
const calm = 2 * time.Second

// health logs when writing begins to fail and when it works again, once each: callers are told of
// every failure, but an operator needs the cause.
type health struct {
	logger *slog.Logger
	mu     sync.Mutex
	since  time.Time // first failure; zero while healthy
	last   time.Time // latest failure
}

func (h *health) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil && h.since.IsZero() {
		return
	}
	now := time.Now()
	switch {
	case err == nil && now.Sub(h.last) > calm:
		h.logger.Info("store writes again", "failed_for", h.last.Sub(h.since))
		h.since = time.Time{}
	case err != nil && h.since.IsZero():
		h.logger.Error("store cannot write", "error", err)
		h.since, h.last = now, now
	case err != nil:
		h.last = now
	}
}

// readyFor is how long one probe's answer serves.
const readyFor = 2 * time.Second

// probe is what a readiness probe stores: several times what a run usually needs, so that it fails first
// although the group of runs that failed before it left some room.
var probe = strings.Repeat("ready? ", 256<<10/7)

type readiness struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// Ready reports whether a run could be stored now, by storing something. The answer may be readyFor
// old.
func (db *DB) Ready(ctx context.Context) error {
	db.ready.mu.Lock()
	defer db.ready.mu.Unlock()
	now := time.Now()
	if !db.ready.at.IsZero() && now.Sub(db.ready.at) < readyFor {
		return db.ready.err
	}
	err := db.Write(ctx, "", func(tx *Tx) error {
		// The new row before the old one goes: it must not find room just because of that.
		if _, err := tx.Exec("INSERT INTO probes (at, data) VALUES ($1, $2) ON CONFLICT (at) DO NOTHING",
			now.UnixNano(), probe); err != nil {
			return err
		}
		_, err := tx.Exec("DELETE FROM probes WHERE at < $1", now.UnixNano())
		return err
	})
	if ctx.Err() == nil {
		db.ready.at, db.ready.err = now, err
	}
	return err
}
