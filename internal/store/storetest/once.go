package storetest

import (
	"sync"
	"sync/atomic"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// testInsertOnce: of many inserts under one key one is stored, whole, and the others not at all.
func testInsertOnce(b *bundle) {
	const tries = 20
	var stored atomic.Pointer[string]
	var all sync.WaitGroup
	for range tries {
		n := plainRun()
		n.Once = &run.Once{Scope: "user:t:u", Key: "again", Digest: "d"}
		all.Go(func() {
			switch err := b.runs.Insert(b.ctx, n); api.CodeOf(err) {
			case api.PlatformErrorCodeConflict:
				if _, err := b.runs.Get(b.ctx, n.Run.ID); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
					b.Errorf("refused, but there: %v", err)
				}
			default:
				if err != nil || stored.Swap(&n.Run.ID) != nil {
					b.Errorf("stored again: %v", err)
				}
			}
		})
	}
	all.Wait()
	o, id, err := b.runs.Kept(b.ctx, "user:t:u", "again")
	b.ok(err)
	same(b, "kept", o, run.Once{Scope: "user:t:u", Key: "again", Digest: "d"})
	same(b, "run", id, *stored.Load())
	for _, other := range [][2]string{{"user:t:u", "other"}, {"user:t:v", "again"}, {"", ""}} {
		if _, _, err := b.runs.Kept(b.ctx, other[0], other[1]); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
			b.Errorf("kept %v: %v", other, err)
		}
	}
}
