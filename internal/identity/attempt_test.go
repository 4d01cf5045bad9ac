package identity

import (
	"context"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
)

// TestLimitSlowsDownAndForgets walks a limit the way somebody who guesses does.
func TestLimitSlowsDownAndForgets(t *testing.T) {
	l := limit{free: 3, wait: 2 * time.Second, most: 10 * time.Second, rest: time.Hour}
	now := time.Unix(1_000_000, 0)
	var a Attempts
	var waits []time.Duration
	for range 8 {
		next, err := l.next(a, now)
		if err != nil {
			t.Fatal(err)
		}
		a = next
		wait := max(a.Until.Sub(now), 0)
		if wait > 0 {
			if _, err := l.next(a, a.Until.Add(-time.Microsecond)); api.CodeOf(err) != api.PlatformErrorCodeResourceUnavailable {
				t.Fatalf("let through before its time: %v", err)
			}
		}
		waits = append(waits, wait)
		now = now.Add(wait)
	}
	for i, want := range []time.Duration{0, 0, 2, 4, 8, 10, 10, 10} {
		if waits[i] != want*time.Second {
			t.Errorf("wait %d is %s, want %ds", i, waits[i], want)
		}
	}
	if a, err := l.next(a, now.Add(time.Hour+time.Second)); err != nil || a.Count != 1 {
		t.Errorf("after a rest: %+v, %v", a, err)
	}
}

func TestWeakerRole(t *testing.T) {
	for _, c := range [][3]Role{
		{RoleAdmin, RoleMember, RoleMember}, {RoleViewer, RoleAdmin, RoleViewer}, {RoleMember, RoleMember, RoleMember},
		{"", RoleAdmin, ""}, {RoleAdmin, "owner", ""},
	} {
		if got := weaker(c[0], c[1]); got != c[2] {
			t.Errorf("of %q and %q: %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

// TestNamesDoNotMislead: what people are called is shown beside what they may decide about.
func TestNamesDoNotMislead(t *testing.T) {
	if got, err := checkName("name", "  Zoë 👩\u200d🚀 "); got != "Zoë 👩\u200d🚀" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"a\nb", "a\x1bb", "a\u009bb", "a\u202eb", "a\u2066b", "a\u2028b", "\u3000"} {
		if _, err := checkName("name", bad); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if got := (Browser{Device: "cadre\u202e on x\r\n"}).clean().Device; got != "cadre on x" {
		t.Errorf("device %q", got)
	}
}

// TestHashingIsBounded: a flood of guesses neither takes memory without bound nor makes requests pile up.
func TestHashingIsBounded(t *testing.T) {
	h := newHasher()
	for range hashing { // all turns are taken
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	results := make(chan error)
	for range hashing + hashQueue + 1 {
		go func() {
			_, err := h.key(ctx, "x", make([]byte, argonSalt), 1, 8, 1, 16)
			results <- err
		}()
	}
	if err := <-results; api.CodeOf(err) != api.PlatformErrorCodeResourceUnavailable {
		t.Fatalf("one too many is told %v", err)
	}
	for range hashing {
		<-h.slots
	}
	for range hashing + hashQueue {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
}

func TestEmailHasOneSpelling(t *testing.T) {
	if got, err := CheckEmail("email", "  ADA@Example.COM "); got != "ada@example.com" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "ada", "@x", "a@", "a@b@c", "a b@c", "a\x00@b", "<a@b>", "a@b\r\nBcc: x@y", "adİna@example.com", "\u212aim@example.com"} {
		if _, err := CheckEmail("email", bad); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
