package event

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
)

// natsThat is an external NATS that welcomes one client and then does as told, until the test ends.
func natsThat(t *testing.T, serve func(c net.Conn, lines *bufio.Scanner)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, `INFO {"server_id":"X","version":"2.10.0","max_payload":1048576}`+"\r\n")
		lines := bufio.NewScanner(c)
		for lines.Scan() && lines.Text() != "PING" {
		}
		_, _ = io.WriteString(c, "PONG\r\n")
		serve(c, lines)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-served
	})
	return "nats://" + l.Addr().String()
}

// TestEverySubscriberWaits: NATS knows of a subscription when Watch returns, even if it was another
// watcher that asked for it a moment ago.
func TestEverySubscriberWaits(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	b := open(t, natsThat(t, func(c net.Conn, lines *bufio.Scanner) {
		for pings := 0; lines.Scan(); {
			if lines.Text() != "PING" {
				continue
			}
			if pings++; pings == 2 {
				close(asked)
				_, _ = io.WriteString(c, "PONG\r\nPONG\r\n")
			}
		}
	}))
	watching := make(chan error, 2)
	for range cap(watching) {
		go func() {
			_, err := b.Watch(t.Context(), "run-1")
			watching <- err
		}()
	}
	select {
	case <-asked:
	case <-time.After(patience):
		t.Error("one of two did not ask whether NATS knows")
	}
	for range cap(watching) {
		if err := <-watching; err != nil {
			t.Error(err)
		}
	}
}

// TestStalledServerHoldsNobody: a NATS that takes nothing any more does not keep a server from stopping.
func TestStalledServerHoldsNobody(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	b := open(t, natsThat(t, func(net.Conn, *bufio.Scanner) { <-over }))
	defer close(over)
	for range 300 { // more than the buffers on the way
		b.Deltas("run-1", []api.Delta{{Key: "m", Text: strings.Repeat("x", deltaBytes)}})
	}
	for b.Dropped() == 0 {
		b.RunChanged("run-1", 1)
	}
	closed := make(chan struct{})
	go func() {
		b.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("still closing")
	}
}
