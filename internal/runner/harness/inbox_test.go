package harness

import (
	"context"
	"errors"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestInboxKeepsOrderAndRefusesRepeats(t *testing.T) {
	t.Parallel()
	var b Inbox
	for _, id := range []int64{3, 1, 2, 1, 3} {
		b.Put(api.Command{Id: id, Kind: api.CommandKindFollowUp})
	}
	b.MarkSeen(2)
	b.MarkSeen(9)
	if b.Put(api.Command{Id: 9}) || b.Len() != 2 {
		t.Errorf("%d commands", b.Len())
	}
	for _, want := range []int64{1, 3} {
		if c, ok := b.Take(nil); !ok || c.Id != want {
			t.Errorf("got %d, want %d", c.Id, want)
		}
	}
	if _, ok := b.Take(nil); ok || b.Put(api.Command{Id: 1}) {
		t.Error("a command came twice")
	}
}

func TestInboxWaitsForItsKind(t *testing.T) {
	t.Parallel()
	var b Inbox
	isAnswer := func(c api.Command) bool { return c.Kind == api.CommandKindAnswer }
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if c, err := b.Wait(t.Context(), isAnswer); err != nil || c.Id != 50 {
				t.Errorf("%+v %v", c, err)
			}
		})
	}
	for id := int64(1); id < 50; id++ {
		b.Put(api.Command{Id: id, Kind: api.CommandKindFollowUp})
	}
	b.Put(api.Command{Id: 50, Kind: api.CommandKindAnswer})
	wg.Wait()
	if b.Len() != 50 {
		t.Errorf("waiting took commands: %d left", b.Len())
	}
	cause := errors.New("over")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := b.Wait(ctx, func(api.Command) bool { return false }); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}
