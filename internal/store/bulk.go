package store

import (
	"context"
	"maps"
	"slices"

	"github.com/cadrehq/cadre/internal/run"
)

// Past is a run as it comes to be known all at once, with what its life left behind.
type Past struct {
	run.New
	Events    []run.Event // after that of its creation
	Artifacts []run.Artifact
}

// InsertPast stores runs that were carried out elsewhere or never, in order and all or none. It is
// how a database is filled in bulk; nobody is notified.
func (s Runs) InsertPast(ctx context.Context, list []Past) error {
	var b bulk
	for _, p := range list {
		if err := b.add(s.db, p); err != nil {
			return err
		}
	}
	return s.db.Write(ctx, "", b.store)
}

// bulk is rows per table.
type bulk struct {
	runs, specs, entries, metadata, executions, artifacts [][]any
	events                                                []run.Event
}

func (b *bulk) add(db *DB, p Past) error {
	p.Run.LastSeq = int64(len(p.Entries))
	spec, err := specValues(p.Run)
	if err != nil {
		return err
	}
	b.runs, b.specs = append(b.runs, runValues(p.Run)), append(b.specs, spec)
	b.entries = append(b.entries, entryRows(p.Run.ID, 0, executionOf(p.New), p.Entries, db.now())...)
	for _, key := range slices.Sorted(maps.Keys(p.Run.Metadata)) {
		b.metadata = append(b.metadata, []any{p.Run.ID, key, p.Run.Metadata[key]})
	}
	if p.Execution != nil {
		b.executions = append(b.executions, executionValues(*p.Execution))
	}
	artifacts, err := artifactRows(p.Run.ID, p.Artifacts, db.now())
	if err != nil {
		return err
	}
	b.artifacts = append(b.artifacts, artifacts...)
	for _, e := range append([]run.Event{p.Event}, p.Events...) {
		b.events = append(b.events, eventOf(e, p.Run))
	}
	if len(artifacts) > 0 {
		b.events = append(b.events, eventOf(run.Event{Type: run.EventArtifact, State: p.Run.State, At: p.Run.UpdatedAt}, p.Run))
	}
	return nil
}

func (b *bulk) store(tx *Tx) error {
	for _, part := range []struct {
		into *insert
		rows [][]any
	}{
		{insertRuns, b.runs}, {insertSpecs, b.specs}, {insertEntries, b.entries}, {insertMetadata, b.metadata},
		{insertExecutions, b.executions}, {insertArtifacts, b.artifacts},
	} {
		if err := part.into.into(tx, part.rows...); err != nil {
			return err
		}
	}
	for _, e := range b.events {
		tx.Emit(e)
	}
	return nil
}

// Newest returns the highest number a run has, 0 when there is none.
func (s Runs) Newest(ctx context.Context) (int64, error) {
	n, err := one(value[int64])(s.db.query(ctx, "SELECT coalesce(max(n), 0) FROM runs"))
	return n, public("count runs", err)
}

// Settle brings the database into the shape it would have come to by itself: every run in the search
// index, statistics and visibility up to date, SQLite's log copied.
func (db *DB) Settle(ctx context.Context) error {
	for {
		done, err := db.search.follow(ctx)
		if err != nil {
			return public("build search index", err)
		}
		if done {
			break
		}
	}
	statement := "PRAGMA wal_checkpoint(PASSIVE)"
	if db.dialect == postgres {
		statement = "VACUUM ANALYZE"
	}
	_, err := db.reads.ExecContext(ctx, statement)
	return public("settle database", err)
}
