package store

import (
	"fmt"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// However many owners ask, those who asked last are remembered and no more; one that cannot be read now
// is not remembered as if it had been.
func TestOwnersAreForgotten(t *testing.T) {
	t.Parallel()
	k := newKnown(&DB{effort: usualEffort})
	owner := func(i int) identity.Owner {
		return identity.Owner{Type: api.ScopeTypeUser, UID: fmt.Sprint(i)}
	}
	for i := range 2 * remembered {
		w := k.ask(owner(i))
		<-k.want
		w.ready.Store(true)
		if k.of(owner(i)) != w || k.of(owner(0)) == nil {
			t.Fatalf("after owner %d somebody who just asked is forgotten", i)
		}
	}
	if n := len(k.owners); n != remembered || k.owners[owner(1)] != nil {
		t.Errorf("%d owners are remembered, want %d, the first of them not", n, remembered)
	}
	for i := range 2 * wanted {
		k.ask(owner(-1 - i))
	}
	if n := len(k.owners); n != remembered || k.owners[owner(-2*wanted)] != nil || k.of(owner(2*remembered-1)) == nil {
		t.Errorf("%d owners are remembered, want %d: of those who asked when many waited not the last one", n, remembered)
	}
}
