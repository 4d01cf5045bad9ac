package event

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits for what must happen; nothing is measured by it.
const patience = 10 * time.Second

func open(t *testing.T, url string) *Bus {
	t.Helper()
	b, err := Open(t.Context(), Config{URL: url, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-ch:
		if !ok {
			t.Fatal("channel closed")
		}
		return v
	case <-time.After(patience):
		t.Fatal("nothing arrived")
	}
	panic("unreachable")
}

func wantClosed[T any](t *testing.T, ch <-chan T) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, ok := <-ch:
			if !ok {
				return
			}
		case <-deadline:
			t.Fatal("channel not closed")
		}
	}
}

func watch(t *testing.T, b *Bus, runID string) <-chan Signal {
	t.Helper()
	ch, err := b.Watch(t.Context(), runID)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func TestWatchersGetTheirRunOnly(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	first, second, other := watch(t, b, "run-1"), watch(t, b, "run-1"), watch(t, b, "run-2")

	deltas := []api.Delta{{Key: "m1", Kind: "message", Text: "hé\x00llo"}, {Key: "m1", Offset: 7, Text: "!"}}
	b.RunChanged("run-1", 17)
	b.Deltas("run-1", deltas)
	b.RunChanged("run-2", 3)

	for _, ch := range []<-chan Signal{first, second} {
		if got := receive(t, ch); got.LastSeq != 17 || got.Dropped {
			t.Errorf("got %+v, want entries up to 17", got)
		}
		if diff := cmp.Diff(Signal{Deltas: deltas}, receive(t, ch)); diff != "" {
			t.Errorf("deltas (-want +got):\n%s", diff)
		}
	}
	if got := receive(t, other); got.LastSeq != 3 {
		t.Errorf("got %+v, want entries up to 3", got)
	}
}

// Two watchers of one run cost one subscription, which goes with the last of them.
func TestSubscriptionIsShared(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	before := b.server.NumSubscriptions()
	one, stopOne := context.WithCancel(t.Context())
	two, stopTwo := context.WithCancel(t.Context())
	first, err := b.Watch(one, "run-1")
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.Watch(two, "run-1")
	if err != nil {
		t.Fatal(err)
	}
	if got := b.server.NumSubscriptions() - before; got != 1 {
		t.Errorf("%d subscriptions for two watchers, want 1", got)
	}
	stopOne()
	wantClosed(t, first)
	b.RunChanged("run-1", 1)
	receive(t, second)
	stopTwo()
	wantClosed(t, second)
	if err := b.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := b.server.NumSubscriptions() - before; got != 0 {
		t.Errorf("%d subscriptions left", got)
	}
}

// A reader that does not read loses the oldest signals, never the newest entry number, and is told.
func TestSlowReaderIsTold(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	slow, quick := watch(t, b, "run-1"), watch(t, b, "run-1")
	const sent = signalBuffer * 4
	for i := range sent {
		b.Deltas("run-1", []api.Delta{{Key: "m", Offset: int64(i), Text: "x"}})
		receive(t, quick)
	}
	b.RunChanged("run-1", 9)
	b.RunChanged("run-1", 8) // hints of two replicas may cross
	receive(t, quick)
	receive(t, quick)

	var last Signal
	var highest int64
	read, told := 0, false
	for len(slow) > 0 {
		last = <-slow
		highest = max(highest, last.LastSeq)
		told = told || last.Dropped
		read++
	}
	if read > signalBuffer || !told || !last.Dropped || highest != 9 {
		t.Errorf("read %d signals, told %v, last %+v, highest %d", read, told, last, highest)
	}
}

// Only entry numbers were merged: nothing is lost, so nothing is said to be.
func TestMergingEntryNumbersIsNoLoss(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	slow, quick := watch(t, b, "run-1"), watch(t, b, "run-1")
	for i := range signalBuffer * 2 {
		b.RunChanged("run-1", int64(i+1))
		receive(t, quick)
	}
	var highest int64
	for len(slow) > 0 {
		s := <-slow
		highest = max(highest, s.LastSeq)
		if s.Dropped {
			t.Fatal("told of a loss that was none")
		}
	}
	if highest != signalBuffer*2 {
		t.Errorf("highest %d, want %d", highest, signalBuffer*2)
	}
}

func TestLargeDeltasAreSplitOrDropped(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	ch := watch(t, b, "run-1")
	half := strings.Repeat("a", deltaBytes*2/3)
	b.Deltas("run-1", []api.Delta{
		{Key: "m", Text: half}, {Key: "m", Offset: int64(len(half)), Text: half},
		{Key: "m", Text: strings.Repeat("b", deltaBytes+1)}, {Key: "m", Text: "end"},
	})
	if got := receive(t, ch); len(got.Deltas) != 1 || got.Deltas[0].Text != half {
		t.Error("first half missing")
	}
	if got := receive(t, ch); len(got.Deltas) != 1 || got.Deltas[0].Offset != int64(len(half)) {
		t.Error("second half missing")
	}
	if got := receive(t, ch); len(got.Deltas) != 1 || got.Deltas[0].Text != "end" {
		t.Errorf("got %d deltas, want the one after the outsized one", len(got.Deltas))
	}
	if b.Dropped() != 1 {
		t.Errorf("%d dropped, want 1", b.Dropped())
	}
}

func TestCommandsRing(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	ch, err := b.Commands(t.Context(), "run-1")
	if err != nil {
		t.Fatal(err)
	}
	b.CommandStored("run-2")
	for range 5 {
		b.CommandStored("run-1")
	}
	receive(t, ch)
}

func TestWakes(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	ch, err := b.Wake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Queued("my host\nö.*>")
	b.Cancelled("run-1", "x-1")
	if got, want := receive(t, ch), (Wake{Host: "my host\nö.*>"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := receive(t, ch), (Wake{RunID: "run-1", ExecutionID: "x-1"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAnnouncements(t *testing.T) {
	t.Parallel()
	s := natsAt(t, -1)
	here, there := open(t, s.ClientURL()), open(t, s.ClientURL())
	ch, err := here.Announcements(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	there.Announce([]byte("hello"))
	if got := string(receive(t, ch)); got != "hello" {
		t.Errorf("got %q", got)
	}
	full := announcements{newMailbox(2, func(_, latest []byte) []byte { return latest })}
	for _, p := range []string{"1", "2", "3"} {
		full.deliver([]byte(p))
	}
	if a, b := string(<-full.ch), string(<-full.ch); a != "2" || b != "3" {
		t.Errorf("kept %s and %s, want the latest", a, b)
	}
}

func TestFullWakesSayThatSomethingWasLost(t *testing.T) {
	t.Parallel()
	w := wakes[Wake]{newMailbox(2, mergeWakes)}
	for _, h := range []string{"a", "b", "c"} {
		w.deliver([]byte("q" + h))
	}
	<-w.ch
	if got := <-w.ch; got.Host != "c" || !got.Dropped {
		t.Errorf("got %+v, want host c and a loss", got)
	}
	same := wakes[Wake]{newMailbox(1, mergeWakes)}
	same.deliver([]byte("qa"))
	same.deliver([]byte("qa"))
	if got := <-same.ch; got.Dropped {
		t.Error("the same hint twice is no loss")
	}
}

// What another replica's version sends must not disturb this one.
func TestUnknownPayloadsAreSkipped(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	ch := watch(t, b, "run-1")
	wake, err := b.Wake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{"", "s", "s-4", "sx", "d", "d{}", "d[]", "z", "\xff\xfe"} {
		b.publish("cadre.run.run-1", []byte(payload))
	}
	for _, payload := range []string{"", "q", "c", "crun", "c\nx", "z"} {
		b.publish(wakeSubject, []byte(payload))
	}
	b.RunChanged("run-1", 5)
	b.Queued("h")
	if got := receive(t, ch); got.LastSeq != 5 {
		t.Errorf("got %+v", got)
	}
	if got := receive(t, wake); got.Host != "h" {
		t.Errorf("got %+v", got)
	}
}

func TestStrangeRunIDsAreRefused(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	for _, id := range []string{"", "*", ">", "a.b", "a b", "a\n", strings.Repeat("x", 200)} {
		if _, err := b.Watch(t.Context(), id); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
			t.Errorf("watch %q: %v", id, err)
		}
		b.RunChanged(id, 1) // must not publish, must not panic
	}
}

func TestCloseEndsSubscriptions(t *testing.T) {
	t.Parallel()
	b := open(t, "")
	ch := watch(t, b, "run-1")
	b.Close()
	b.Close()
	wantClosed(t, ch)
	b.RunChanged("run-1", 1)
	if _, err := b.Watch(t.Context(), "run-1"); err == nil {
		t.Error("watching a closed bus succeeded")
	}
}

// Publishing returns at once although nothing takes the messages, and they are counted.
func TestPublishNeverBlocks(t *testing.T) {
	t.Parallel()
	b := &Bus{out: newQueue(2)}
	for i := range 10 {
		b.RunChanged("run-1", int64(i))
	}
	if b.Dropped() != 8 {
		t.Errorf("%d dropped, want 8", b.Dropped())
	}
}

// natsAt runs an external NATS server. Port -1 picks one.
func natsAt(t *testing.T, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS not ready")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

func TestExternalServerComesBack(t *testing.T) {
	t.Parallel()
	s := natsAt(t, -1)
	here, there := open(t, s.ClientURL()), open(t, s.ClientURL())
	ch := watch(t, here, "run-1")
	there.RunChanged("run-1", 1)
	if got := receive(t, ch); got.LastSeq != 1 {
		t.Fatalf("got %+v", got)
	}

	var port int
	if _, err := fmt.Sscanf(s.ClientURL(), "nats://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	s.WaitForShutdown()
	there.RunChanged("run-1", 2) // lost or late; the reader hears of it below
	late, err := here.Watch(t.Context(), "run-2")
	if err != nil {
		t.Fatalf("watch while disconnected: %v", err)
	}

	natsAt(t, port)
	for got := receive(t, ch); !got.Dropped; got = receive(t, ch) {
	}
	for got := receive(t, late); !got.Dropped; got = receive(t, late) {
	}
	// The other bus reconnects in its own time: publish until it did.
	for deadline := time.Now().Add(patience); ; {
		there.RunChanged("run-2", 7)
		select {
		case got := <-late:
			if got.LastSeq == 7 {
				return
			}
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing arrives after the reconnection")
		}
	}
}

// A server that is not there yet is no reason not to start.
func TestExternalServerComesLate(t *testing.T) {
	t.Parallel()
	s := natsAt(t, -1)
	url := s.ClientURL()
	var port int
	if _, err := fmt.Sscanf(url, "nats://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	s.WaitForShutdown()

	b := open(t, url)
	if b.Connected() {
		t.Fatal("connected to nothing")
	}
	ch := watch(t, b, "run-1")
	natsAt(t, port)
	if got := receive(t, ch); !got.Dropped {
		t.Errorf("got %+v, want to be told to look", got)
	}
	if !b.Connected() {
		t.Error("not connected")
	}
}

func TestBadURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"nonsense", "nats://me:s3cret@bad host:1", "nats://ok:1,%zz"} {
		_, err := Open(t.Context(), Config{URL: url, Logger: slog.New(slog.DiscardHandler)})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// BenchmarkHint is one hint from publisher to reader.
func BenchmarkHint(b *testing.B) {
	bus, err := Open(b.Context(), Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer bus.Close()
	ch, err := bus.Watch(b.Context(), "run-1")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		bus.RunChanged("run-1", 1)
		<-ch
	}
}
