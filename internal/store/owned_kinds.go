package store

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store/posting"
)

// kind is the runs that have an artifact of a type, whoever owns them. Artifacts stay, so that it only
// grows.
type kind struct {
	ready atomic.Bool
	mu    sync.RWMutex
	runs  posting.Set
}

// with is the runs with an artifact of a type; nil if they have to be read first, which this begins.
func (k *known) with(t api.ArtifactType) *kind {
	kind := k.askKind(t)
	if kind == nil || !kind.ready.Load() {
		return nil
	}
	return kind
}

// set is a copy of the runs.
func (k *kind) set() posting.Set {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.runs.Clone()
}

// askKind has the runs with an artifact of a type read unless too much waits for that.
func (k *known) askKind(t api.ArtifactType) *kind {
	k.mu.Lock()
	defer k.mu.Unlock()
	if have := k.kinds[t]; have != nil || k.busy() {
		return have
	}
	fresh := &kind{}
	k.kinds[t] = fresh // from now on it follows the events, and then it is read
	k.want <- task{func(ctx context.Context) error { return fresh.build(ctx, k.db, t) }, func() { delete(k.kinds, t) }}
	return fresh
}

// holder is a run that has an artifact.
type holder struct {
	id   string
	n    int64
	kind api.ArtifactType
}

func scanHolder(row scanner) (h holder, err error) {
	err = row.Scan(&h.id, &h.n, &h.kind)
	return h, err
}

// holdersRead is how many artifacts one query reads.
const holdersRead = 2000

// build reads who has an artifact of a type. Whoever comes to have one meanwhile is added by the events.
func (k *kind) build(ctx context.Context, db *DB, t api.ArtifactType) error {
	query := "SELECT a.run_id, r.n, a.type FROM artifacts a" + db.dialect.join() +
		"runs r ON r.id = a.run_id WHERE a.type = $1 AND a.run_id > $2 ORDER BY a.run_id LIMIT $3"
	for last := ""; ; {
		list, err := all(scanHolder)(db.query(ctx, query, string(t), last, holdersRead))
		if err != nil {
			return err
		}
		k.add(list)
		if len(list) < holdersRead {
			k.ready.Store(true)
			return nil
		}
		last = list[len(list)-1].id // a run of which more artifacts would come is in already
	}
}

func (k *kind) add(list []holder) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range list {
		k.runs.Add(h.n)
	}
}

// selectHolders reads the runs that events after one up to another say to have an artifact, and of which
// types. As for the limit, see selectMoved.
const selectHolders = `SELECT DISTINCT a.run_id, r.n, a.type FROM
	(SELECT DISTINCT run_id FROM lifecycle_events WHERE seq > $1 AND seq <= $2 AND type = '` + string(run.EventArtifact) + `' LIMIT 2000) e
	JOIN artifacts a ON a.run_id = e.run_id JOIN runs r ON r.id = e.run_id`

// followKinds takes in who came to have artifacts.
func (k *known) followKinds(ctx context.Context, after, upTo int64) error {
	k.mu.RLock()
	any := len(k.kinds) > 0
	k.mu.RUnlock()
	if !any {
		return nil
	}
	list, err := all(scanHolder)(k.db.query(ctx, selectHolders, after, upTo))
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, h := range list {
		if kind := k.kinds[h.kind]; kind != nil {
			kind.add([]holder{h})
		}
	}
	return err
}
