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

// hidden is a secret with every member set.
func hidden(owner identity.Owner, name string) secret.Secret {
	return secret.Secret{
		UID: newID(), Owner: owner, Name: name, Type: api.SecretTypeFILE, Description: "d", FileName: "f", Sealed: []byte{0, 1, 255},
		Creator: api.UserProfile{Uid: "c"}, Editor: api.UserProfile{Uid: "e"},
		CreatedAt: noon, UpdatedAt: noon.Add(time.Second), ValuedAt: noon.Add(time.Minute),
	}
}

func testSecrets(b *bundle) {
	one, two, mine, foreign := hidden(red, "B_ONE"), hidden(red, "A_TWO"), hidden(ann, "B_ONE"), hidden(blue, "B_ONE")
	for _, c := range []secret.Secret{one, two, mine, foreign} {
		b.ok(b.secrets.Insert(b.ctx, c, 2))
	}
	b.code(b.secrets.Insert(b.ctx, hidden(red, "THIRD"), 2), api.PlatformErrorCodeOperationNotSupported)
	b.code(b.secrets.Insert(b.ctx, hidden(red, "A_TWO"), 10), api.PlatformErrorCodeConflict)
	got, err := b.secrets.Get(b.ctx, one.UID)
	b.ok(err)
	same(b, "secret", got, one)
	list, err := b.secrets.List(b.ctx, red, ann)
	b.ok(err)
	same(b, "list", list, []secret.Secret{two, one, mine})
	none, err := b.secrets.List(b.ctx)
	b.ok(err)
	same(b, "nobody's list", len(none), 0)

	changed, err := b.secrets.Change(b.ctx, one.UID, func(c *secret.Secret) error {
		c.Description, c.Sealed, c.Editor.Uid, c.UpdatedAt, c.ValuedAt = "new", []byte("new"), "x", noon.Add(time.Hour), noon.Add(time.Hour)
		return nil
	})
	b.ok(err)
	got, err = b.secrets.Get(b.ctx, one.UID)
	b.ok(err)
	same(b, "changed", got, changed)
	same(b, "changed value", string(got.Sealed), "new")
	refused := errors.New("refused")
	if _, err := b.secrets.Change(b.ctx, one.UID, func(*secret.Secret) error { return refused }); !errors.Is(err, refused) {
		b.Errorf("refused change: %v", err)
	}
	b.ok(b.secrets.Delete(b.ctx, one.UID))
	b.code(b.secrets.Delete(b.ctx, one.UID), api.PlatformErrorCodeResourceNotFound)
	_, err = b.secrets.Get(b.ctx, one.UID)
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	_, err = b.secrets.Change(b.ctx, one.UID, func(*secret.Secret) error { return nil })
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	b.ok(b.secrets.Insert(b.ctx, hidden(red, one.Name), 2)) // the name is free again
}

func testSecretUses(b *bundle) {
	use := func(run string, execution int, phase api.SecretUsePhase, at time.Time) secret.Use {
		return secret.Use{SecretUID: "s", RunID: run, Execution: execution, Phase: phase, At: at}
	}
	note := func(*secret.Received) error { return nil }
	uses := []secret.Use{
		use("r1", 1, api.SecretUsePhaseSetup, noon), use("r1", 1, api.SecretUsePhaseAgent, noon), use("r1", 2, api.SecretUsePhaseAgent, noon.Add(time.Second)),
	}
	b.ok(b.secrets.Record(b.ctx, "r1", uses, note))
	again := use("r1", 1, api.SecretUsePhaseSetup, noon.Add(time.Hour)) // was noted: the first time counts
	b.ok(b.secrets.Record(b.ctx, "r1", []secret.Use{again}, note))
	var all []secret.Use
	for cursor := ""; ; {
		page, next, err := b.secrets.Uses(b.ctx, "s", cursor, 1)
		b.ok(err)
		all = append(all, page...)
		if cursor = next; next == "" {
			break
		}
	}
	same(b, "uses", all, []secret.Use{uses[2], uses[0], uses[1]})
	for _, cursor := range []string{"x", "!", "MSAyIDMgNCA1"} {
		_, _, err := b.secrets.Uses(b.ctx, "s", cursor, 1)
		b.code(err, api.PlatformErrorCodeInvalidRequest)
	}

	nothing, err := b.secrets.Received(b.ctx, "r2")
	b.ok(err)
	same(b, "received", nothing, secret.Received{})
	var together sync.WaitGroup
	for i := range 10 {
		together.Go(func() {
			if err := b.secrets.Record(b.ctx, "r2", nil, func(r *secret.Received) error {
				r.Secrets = append(r.Secrets, api.RunSecret{Name: fmt.Sprint(i)})
				r.Unresolved, r.Agent = []string{"NONE"}, 3
				return nil
			}); err != nil {
				b.Error(err)
			}
		})
	}
	together.Wait()
	refused := errors.New("refused")
	if err := b.secrets.Record(b.ctx, "r2", []secret.Use{use("r2", 1, api.SecretUsePhaseAgent, noon)}, func(*secret.Received) error { return refused }); !errors.Is(err, refused) {
		b.Errorf("refused: %v", err)
	}
	got, err := b.secrets.Received(b.ctx, "r2")
	b.ok(err)
	if len(got.Secrets) != 10 || got.Agent != 3 || len(got.Unresolved) != 1 {
		b.Errorf("received %+v", got)
	}
	page, _, err := b.secrets.Uses(b.ctx, "s", "", 10)
	b.ok(err)
	same(b, "uses after a refusal", len(page), 3)
}
