package store

import (
	"context"
	"maps"
	"slices"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/store/posting"
)

// Hasten makes lists of a few runs take every way that lists of many take. With
// follow 0 the search index counts as too far behind.
func (db *DB) Hasten(first, longest, few, follow int) {
	db.effort = effort{span: max(longest, 2), fewest: few, first: first, growth: 2, longest: longest, longestRead: longest, few: few, many: 4 * few, follow: follow, blind: 1 << 20}
}

// Blind bounds the texts read while the search index is missing.
func (db *DB) Blind(runs int) { db.effort.blind = runs }

// LevelSearch brings the search index level with what was created and stores a share of its blocks.
func (db *DB) LevelSearch(ctx context.Context, store bool) error {
	for {
		done, err := db.search.follow(ctx)
		if err != nil {
			return err
		}
		if done {
			break
		}
	}
	if !store {
		return nil
	}
	db.search.storing.Lock()
	defer db.search.storing.Unlock()
	db.search.mu.RLock()
	blocks := slices.Collect(maps.Keys(db.search.blocks))
	db.search.mu.RUnlock()
	for _, block := range blocks {
		if err := db.search.storeBlock(ctx, block); err != nil {
			return err
		}
	}
	return nil
}

// Know reads what is to be known of owners' runs.
func (db *DB) Know(ctx context.Context, owners ...identity.Owner) error {
	for _, t := range []api.ArtifactType{api.ArtifactTypePLAN, api.ArtifactTypeFILE} {
		if err := db.known.askKind(t).build(ctx, db, t); err != nil {
			return err
		}
	}
	for _, o := range owners {
		if err := db.known.ask(o).build(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

// Indexed counts the runs that the search index has by a text, whoever may see them.
func (db *DB) Indexed(ctx context.Context, text string) (int, error) {
	set, err := db.search.find(ctx, posting.Lookups(text))
	return set.Len(), err
}

// RegrowSearch makes the search index anew from what is stored, as a server that starts does.
func (db *DB) RegrowSearch() {
	db.search.following.Lock()
	defer db.search.following.Unlock()
	db.search.storing.Lock()
	defer db.search.storing.Unlock()
	db.search.mu.Lock()
	defer db.search.mu.Unlock()
	clear(db.search.blocks)
	db.search.recent.forget()
	db.search.loaded = false
}

// Asked tells listen of reads that are not fixed, several at once.
func (db *DB) Asked(listen func(query string, args []any)) { db.asked.Store(&listen) }

// Plan explains how the engine would carry a read out.
func (db *DB) Plan(ctx context.Context, query string, args ...any) ([]string, error) {
	explain, scan := "EXPLAIN QUERY PLAN ", func(row scanner) (detail string, err error) {
		var id, parent, unused int
		err = row.Scan(&id, &parent, &unused, &detail)
		return detail, err
	}
	if db.dialect == postgres {
		explain, scan = "EXPLAIN ", value[string]
	}
	return all(scan)(db.again(ctx, func() (rows, error) { return db.reads.QueryContext(ctx, explain+query, args...) }))
}
