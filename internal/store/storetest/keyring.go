package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/secret"
)

func testKeyring(b *bundle) {
	key := func(o identity.Owner, master, sealed string) secret.DataKey {
		return secret.DataKey{Owner: o, MasterID: master, Sealed: []byte(sealed)}
	}
	uses, err := b.keyring.Masters(b.ctx)
	b.ok(err)
	same(b, "masters", len(uses), 0)
	for _, id := range []string{"one", "two"} { // the second comes too late
		uses, err = b.keyring.ClaimMaster(b.ctx, id, noon)
		b.ok(err)
		same(b, "claimed", uses, []secret.MasterUse{{ID: "one", Primary: true, Since: noon}})
	}
	_, err = b.keyring.DataKey(b.ctx, red)
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	for _, k := range []secret.DataKey{key(red, "one", "r"), key(red, "one", "late")} {
		got, err := b.keyring.AddDataKey(b.ctx, k)
		b.ok(err)
		same(b, "first data key", got, key(red, "one", "r"))
	}
	_, err = b.keyring.AddDataKey(b.ctx, key(ann, "one", "a"))
	b.ok(err)

	b.ok(b.keyring.SetPrimary(b.ctx, "two", noon.Add(time.Hour)))
	if _, err := b.keyring.AddDataKey(b.ctx, key(blue, "one", "x")); !errors.Is(err, secret.ErrMoved) {
		b.Errorf("under the old master key: %v", err)
	}
	page, err := b.keyring.Under(b.ctx, "one", identity.Owner{}, 1)
	b.ok(err)
	same(b, "first page", page, []secret.DataKey{key(red, "one", "r")})
	page, err = b.keyring.Under(b.ctx, "one", page[0].Owner, 10)
	b.ok(err)
	same(b, "rest", page, []secret.DataKey{key(ann, "one", "a")})
	retired, err := b.keyring.Retire(b.ctx, "one")
	b.ok(err)
	same(b, "retired in use", retired, false)
	b.ok(b.keyring.Rewrap(b.ctx, "one", []secret.DataKey{key(red, "two", "r2"), key(ann, "two", "a2")}))
	b.ok(b.keyring.Rewrap(b.ctx, "one", []secret.DataKey{key(red, "three", "stale")}))
	n, err := b.keyring.CountUnder(b.ctx, "two")
	b.ok(err)
	same(b, "under the new one", n, 2)
	for id, want := range map[string]bool{"one": true, "two": false} {
		retired, err := b.keyring.Retire(b.ctx, id)
		b.ok(err)
		same(b, "retired "+id, retired, want)
	}
	got, err := b.keyring.DataKey(b.ctx, red)
	b.ok(err)
	same(b, "sealed anew", got, key(red, "two", "r2"))
	uses, err = b.keyring.Masters(b.ctx)
	b.ok(err)
	same(b, "masters left", uses, []secret.MasterUse{{ID: "two", Primary: true, Since: noon.Add(time.Hour)}})
	b.ok(b.keyring.SetPrimary(b.ctx, "two", noon.Add(2*time.Hour))) // again: nothing changes

	early := secret.ServerKeys{Instance: "a", Keys: []string{"one"}, SeenAt: noon}
	late := secret.ServerKeys{Instance: "b", Keys: []string{"one", "two"}, SeenAt: noon.Add(time.Minute)}
	for _, s := range []secret.ServerKeys{{Instance: "b", SeenAt: noon}, early, late} {
		b.ok(b.keyring.Announce(b.ctx, s))
	}
	servers, err := b.keyring.Servers(b.ctx, noon)
	b.ok(err)
	same(b, "servers", servers, []secret.ServerKeys{early, late})
	servers, err = b.keyring.Servers(b.ctx, noon.Add(time.Second))
	b.ok(err)
	same(b, "servers of late", servers, []secret.ServerKeys{late})
}

// testKeyringTogether: many seal an owner's first value at once, and the master key changes meanwhile.
// All of it opens.
func testKeyringTogether(b *bundle) {
	first, second := secret.NewMasterKey(), secret.NewMasterKey()
	open := func() *secret.Keyring {
		k, err := secret.NewKeyring(b.ctx, secret.KeyringConfig{
			Store: b.keyring, Rotation: b.keyring, Keys: first + "," + second, Instance: "x",
		})
		b.ok(err)
		return k
	}
	rings := []*secret.Keyring{open(), open()}
	id, err := secret.MasterID(second)
	b.ok(err)
	operator := identity.Actor{Kind: identity.KindUser, UID: "op", Operator: true}
	sealed := make([][]byte, 20)
	var all sync.WaitGroup
	for i := range sealed {
		all.Go(func() {
			var err error
			if i == 10 {
				if _, err = rings[0].Rotate(b.ctx, operator, id); err != nil {
					b.Error(err)
				}
			}
			owner := []identity.Owner{red, ann, blue}[i%3]
			if sealed[i], err = rings[i%2].Seal(b.ctx, owner, "N", fmt.Appendf(nil, "value %d", i)); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	late := open()
	for i, s := range sealed {
		owner := []identity.Owner{red, ann, blue}[i%3]
		plain, err := late.Open(b.ctx, owner, "N", s)
		b.ok(err)
		same(b, "opened", string(plain), fmt.Sprintf("value %d", i))
	}
}
