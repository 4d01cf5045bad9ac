package store

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// health logs when writing begins to fail and when it works again, once each: callers are told of
// every failure, but an operator needs the cause.
type health struct {
	logger *slog.Logger
	mu     sync.Mutex
	since  time.Time // zero while healthy
}

func (h *health) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err != nil && h.since.IsZero():
		h.since = time.Now()
		h.logger.Error("store cannot write", "error", err)
	case err == nil && !h.since.IsZero():
		h.logger.Info("store writes again", "failed_for", time.Since(h.since))
		h.since = time.Time{}
	}
}

// readyFor is how long one probe's answer serves.
const readyFor = time.Second

type readiness struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// Ready reports whether a run could be stored now, by storing something. The answer may be a second
// old.
func (db *DB) Ready(ctx context.Context) error {
	db.ready.mu.Lock()
	defer db.ready.mu.Unlock()
	now := time.Now()
	if now.Sub(db.ready.at) < readyFor {
		return db.ready.err
	}
	err := db.Write(ctx, "", func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO probes (name, at) VALUES ('ready', $1)
			ON CONFLICT (name) DO UPDATE SET at = excluded.at`, now.UnixMicro())
		return err
	})
	if ctx.Err() == nil {
		db.ready.at, db.ready.err = now, err
	}
	return err
}
