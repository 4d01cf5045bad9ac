package storetest

import (
	"errors"
	"time"

	"github.com/cadrehq/cadre/internal/identity/issuer"
)

// testIssuerKeys: one key of each generation, in order, and none twice however many store it at once.
func testIssuerKeys(b *bundle) {
	key := func(generation int64) issuer.Key {
		return issuer.Key{
			Generation: generation, ID: "kid", Public: []byte(`{"kty":"EC"}`), Sealed: []byte{0, 1, 0xff},
			SignsFrom: noon.Add(time.Duration(generation) * time.Hour), CreatedAt: noon,
		}
	}
	none, err := b.issuer.Keys(b.ctx)
	b.ok(err)
	same(b, "no keys", len(none), 0)
	b.ok(b.issuer.AddKey(b.ctx, key(2)))
	taken := make([]bool, clients)
	each(clients, func(i int) {
		err := b.issuer.AddKey(b.ctx, key(1))
		if taken[i] = errors.Is(err, issuer.ErrTaken); err != nil && !taken[i] {
			b.Error(err)
		}
	})
	first := 0
	for _, t := range taken {
		if !t {
			first++
		}
	}
	same(b, "who stored it", first, 1)
	got, err := b.issuer.Keys(b.ctx)
	b.ok(err)
	same(b, "keys", got, []issuer.Key{key(1), key(2)})
	b.ok(b.issuer.DropKeys(b.ctx, 2))
	got, err = b.issuer.Keys(b.ctx)
	b.ok(err)
	same(b, "keys left", got, []issuer.Key{key(2)})
}
