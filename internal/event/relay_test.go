package event

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
)

// party is a line in memory: everybody on it hears everything.
type party struct {
	mu    sync.Mutex
	lines map[*partyLine]bool
	mute  bool // takes everything and delivers nothing
	cut   int  // texts to lose
	dials int
	down  bool
}

type partyLine struct {
	p      *party
	texts  chan string
	broken chan struct{}
	once   sync.Once
}

func (p *party) dial(context.Context) (Line, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials++
	if p.down {
		return nil, errors.New("nobody answers")
	}
	l := &partyLine{p: p, texts: make(chan string, 10_000), broken: make(chan struct{})}
	if p.lines == nil {
		p.lines = map[*partyLine]bool{}
	}
	p.lines[l] = true
	return l, nil
}

func (l *partyLine) Say(_ context.Context, texts []string) error {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	for _, text := range texts {
		if len(text) > LineText || !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			return errors.New("not a text for a line")
		}
		if l.p.cut > 0 {
			l.p.cut--
			continue
		}
		for other := range l.p.lines {
			if !l.p.mute {
				other.texts <- text
			}
		}
	}
	return nil
}

func (l *partyLine) Hear(ctx context.Context) (string, error) {
	select {
	case text := <-l.texts:
		return text, nil
	case <-l.broken:
		return "", io.ErrUnexpectedEOF
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (l *partyLine) Close() {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	delete(l.p.lines, l)
}

// split breaks every line there is.
func (p *party) split() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.lines {
		l.once.Do(func() { close(l.broken) })
	}
}

func (p *party) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// dialled is how often the line was dialled.
func (p *party) dialled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}

// guest opens a bus that is on the line. It must be closed inside its bubble.
func guest(t *testing.T, p *party, name string) *Bus {
	t.Helper()
	b, err := Open(t.Context(), Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b.Relay(name, p.dial)
	t.Cleanup(b.Close)
	return b
}

// meet waits until a bus knows of others.
func meet(t *testing.T, others int, buses ...*Bus) {
	t.Helper()
	for _, b := range buses {
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			if n, up := b.relay.Load().others(); n == others && up {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("it reaches %s", b.Reach())
			}
		}
	}
}

// skip reads signals until one is wanted.
func skip[T any](t *testing.T, ch <-chan T, wanted func(T) bool) T {
	t.Helper()
	for {
		if v := receive(t, ch); wanted(v) {
			return v
		}
	}
}

func TestWhatIsPublishedHereIsHeardThere(t *testing.T) {
	t.Parallel()
	var p party
	here, there := guest(t, &p, "here"), guest(t, &p, "there")
	meet(t, 1, here, there)
	signals := watch(t, there, "run-1")
	wakes, err := there.Wake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bells, err := there.Commands(t.Context(), "run-1")
	if err != nil {
		t.Fatal(err)
	}
	told, err := there.Announcements(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	// Far longer than a line carries, and with everything in it that has a meaning somewhere.
	long := strings.Repeat("größe <&> \"\\ \x00 \u2028 ", 2500)
	here.RunChanged("run-1", 17)
	here.Deltas("run-1", []api.Delta{{Key: "m1", Kind: "message", Text: long}})
	here.Queued("größe 1")
	here.Cancelled("run-1", "x-1")
	here.CommandStored("run-1")
	here.Announce([]byte(`{"from":"here"}`))

	if s := skip(t, signals, func(s Signal) bool { return s.LastSeq > 0 }); s.LastSeq != 17 {
		t.Errorf("signal %+v", s)
	}
	s := skip(t, signals, func(s Signal) bool { return len(s.Deltas) > 0 })
	if diff := cmp.Diff([]api.Delta{{Key: "m1", Kind: "message", Text: long}}, s.Deltas); diff != "" {
		t.Errorf("deltas (-want +got):\n%s", diff)
	}
	if w := skip(t, wakes, func(w Wake) bool { return !w.Dropped }); w.Host != "größe 1" {
		t.Errorf("wake %+v", w)
	}
	if w := receive(t, wakes); w.RunID != "run-1" || w.ExecutionID != "x-1" {
		t.Errorf("wake %+v", w)
	}
	receive(t, bells)
	if got := string(receive(t, told)); got != `{"from":"here"}` {
		t.Errorf("announcement %s", got)
	}
}

// What was published before two servers knew of each other, or while they did not, is not passed on:
// both have their subscribers look.
func TestServersThatMeetLookAgain(t *testing.T) {
	t.Parallel()
	var p party
	here := guest(t, &p, "here")
	mine := watch(t, here, "run-1")
	there := guest(t, &p, "there")
	yours := watch(t, there, "run-1")
	for _, ch := range []<-chan Signal{mine, yours} {
		skip(t, ch, func(s Signal) bool { return s.Dropped })
	}
	meet(t, 1, here, there)
	p.split()
	for _, ch := range []<-chan Signal{mine, yours} {
		skip(t, ch, func(s Signal) bool { return s.Dropped })
	}
	meet(t, 1, here, there)
	there.RunChanged("run-1", 4)
	skip(t, mine, func(s Signal) bool { return s.LastSeq == 4 })
}

// A text that is lost, first, middle or last of its message, is noticed with the next one.
func TestLostTextsAreNoticed(t *testing.T) {
	t.Parallel()
	var p party
	here, there := guest(t, &p, "here"), guest(t, &p, "there")
	meet(t, 1, here, there)
	there.RunChanged("run-1", 1)
	here.RunChanged("run-1", 1)
	signals := watch(t, there, "run-1")
	for n := range 4 {
		here.RunChanged("run-1", int64(10+n))
		skip(t, signals, func(s Signal) bool { return s.LastSeq == int64(10+n) })
		p.set(func() { p.cut = 1 + n })
		here.Deltas("run-1", []api.Delta{{Key: "m", Text: strings.Repeat("x", 3*LineText)}})
		for lost := false; !lost; {
			here.RunChanged("run-1", int64(20+n))
			s := receive(t, signals)
			lost = s.Dropped
			if len(s.Deltas) > 0 {
				t.Errorf("%d texts lost, and still %d deltas", 1+n, len(s.Deltas))
			}
		}
		here.RunChanged("run-1", int64(30+n))
		skip(t, signals, func(s Signal) bool { return s.LastSeq == int64(30+n) })
	}
}

// The line is tried again for as long as it is down, and one that delivers nothing, as behind a
// pooler of connections, is not taken for good.
func TestLineThatDoesNotCarry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := party{down: true}
		r := relayOf(t, &p)
		time.Sleep(time.Minute)
		if _, up := r.others(); up || p.dialled() < 60 {
			t.Errorf("up %t after %d attempts", up, p.dialled())
		}
		p.set(func() { p.down, p.mute = false, true })
		before := p.dialled()
		time.Sleep(time.Minute)
		if _, up := r.others(); up || p.dialled() < before+3 {
			t.Errorf("up %t after %d attempts on a mute line", up, p.dialled()-before)
		}
		p.set(func() { p.mute = false })
		time.Sleep(time.Minute)
		if _, up := r.others(); !up {
			t.Error("not connected although the line works")
		}
	})
}

// A server that dies is forgotten, and with nobody there nothing is said but that.
func TestServersThatDieAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p party
		r := relayOf(t, &p)
		synctest.Wait()
		line, _ := p.dial(t.Context())
		other := frames{self: "other"}
		if err := line.Say(t.Context(), other.hello("there", true)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n, _ := r.others(); n != 1 {
			t.Fatalf("%d others", n)
		}
		time.Sleep(2 * beat)
		if n, _ := r.others(); n != 1 {
			t.Fatalf("%d others after two beats", n)
		}
		time.Sleep(3 * beat)
		if n, _ := r.others(); n != 0 {
			t.Fatalf("%d others after five beats", n)
		}
		for range queued + 1 {
			r.offer(message{"cadre.wake", []byte("qx")})
		}
		if len(r.out.waiting) != 0 || r.bus.Dropped() != 0 {
			t.Errorf("%d messages wait for nobody, %d dropped", len(r.out.waiting), r.bus.Dropped())
		}
	})
}

// relayOf runs a relay alone, without the NATS server that no bubble can hold.
func relayOf(t *testing.T, p *party) *relay {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &Bus{log: slog.New(slog.DiscardHandler), topics: map[string]*topic{}, running: ctx, stop: cancel}
	b.Relay("here", p.dial)
	t.Cleanup(func() {
		cancel()
		b.done.Wait()
	})
	return b.relay.Load()
}

// Fragments give way first when more is published than can be passed on.
func TestHintsComeBeforeFragments(t *testing.T) {
	t.Parallel()
	r := &relay{bus: &Bus{}, out: newQueue(queued), peers: map[string]*partner{"x": {}}}
	for range queued {
		r.offer(message{"cadre.run.r", []byte{kindDeltas, '['}})
	}
	if len(r.out.waiting) > queued/2+1 {
		t.Errorf("%d fragments wait", len(r.out.waiting))
	}
	had := r.bus.Dropped()
	for range queued / 4 {
		r.offer(message{"cadre.wake", []byte("qx")})
	}
	if r.bus.Dropped() != had {
		t.Error("hints were dropped for fragments")
	}
}

// Large fragments that nobody takes fill no memory, and make room for others once they were taken.
func TestFragmentsAreBounded(t *testing.T) {
	t.Parallel()
	q := newQueue(queued)
	large := message{runSubject + "r", append([]byte{kindDeltas}, make([]byte, 1<<20)...)}
	fill := func() (n int) {
		for q.offer(large) {
			n++
		}
		return n
	}
	if n := fill(); n != 15 {
		t.Errorf("%d fragments of a MiB wait", n)
	}
	if !q.offer(message{wakeSubject, []byte("qx")}) {
		t.Error("a hint was dropped for fragments")
	}
	if batch := q.gather(<-q.waiting); len(batch) != 1 {
		t.Errorf("%d messages at once", len(batch))
	}
	if n := fill(); n != 1 {
		t.Errorf("%d fragments fit when one was taken", n)
	}
	for q.gather(<-q.waiting); len(q.waiting) > 0; q.gather(<-q.waiting) {
	}
	if held := q.held.Load(); held != 0 {
		t.Errorf("an empty queue holds %d bytes", held)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add("a 1 be {}", "a 2 b {", "a 3 e }")
	f.Add("", "x", "a b c d")
	f.Add("a 7 b [", "a 9 e ]", `a 10 be {"messages":[{"s":"cadre.wake","p":"q"}]}`)
	f.Fuzz(func(t *testing.T, one, two, three string) {
		var a assembly
		for _, text := range []string{one, two, three} {
			frame, ok := parseFrame(text)
			if !ok {
				continue
			}
			a.add(frame)
		}
		// Whatever came before, what is begun anew is understood.
		sender := frames{self: "s", last: a.last}
		var got said
		for _, text := range sender.messages([]message{{"cadre.x", []byte(strings.ToValidUTF8(one+two+three, "?"))}}) {
			frame, ok := parseFrame(text)
			if !ok || len(text) > LineText {
				t.Fatalf("frame %q", text)
			}
			got, _ = a.add(frame)
		}
		if len(got.Messages) != 1 || got.Messages[0].Payload != strings.ToValidUTF8(one+two+three, "?") {
			t.Fatalf("got %+v", got)
		}
	})
}
