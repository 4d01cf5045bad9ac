package server_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
)

// bare opens a bare connection to the server, which fails instead of hanging.
func (w *world) bare() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// raw sends bytes and reads one answer to a request of the given method.
func (w *world) raw(method, text string) *http.Response {
	w.t.Helper()
	c := w.bare()
	if _, err := io.WriteString(c, text); err != nil {
		w.t.Fatal(err)
	}
	rsp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("%.80q: %v", text, err)
	}
	return rsp
}

// TestBodiesNobodyReadsHoldNothing: a caller that is refused, or whose operation takes no body, gets
// its answer although the body it announced never comes, and the connection is closed behind it.
func TestBodiesNobodyReadsHoldNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		name, line, key string
		status          int
	}{
		{"no credential", "POST /api/v1/agent/runs", "", 401},
		{"no such path", "POST /nope", "", 404},
		{"bad id", "POST /api/v1/agent/runs/x/cancel", w.key, 400},
		{"no body wanted", "GET /api/v1/whoami", w.key, 200},
		{"not a method", "PUT /api/v1/agent/runs", w.key, 405},
		{"gateway", "POST /gateway/anthropic/v1/messages", "", 401},
		{"gateway path", "POST /gateway/x", "", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := *w
			v.t = t
			method, _, _ := strings.Cut(c.line, " ")
			rsp := v.raw(method, c.line+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+c.key+
				"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
			if rsp.StatusCode != c.status || !rsp.Close {
				t.Errorf("status %d, closes %v; want %d and a closed connection", rsp.StatusCode, rsp.Close, c.status)
			}
		})
	}
}

// TestStreamsOutliveABodyTheyIgnore: the bound on unread bodies must not end what comes after them.
func TestStreamsOutliveABodyTheyIgnore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.localRun("watched")
	c := w.bare()
	if _, err := io.WriteString(c, "GET /api/v1/agent/runs/"+run.RunId+"/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+w.key+
		"\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
		t.Fatal(err)
	}
	until := func(text string) error {
		if err := c.SetReadDeadline(time.Now().Add(3 * time.Second)); err != nil { // longer than an unread body is waited for
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(c); ; {
			if !lines.Scan() {
				return lines.Err()
			}
			if strings.Contains(lines.Text(), text) {
				return nil
			}
		}
	}
	if err := until("watched"); err != nil {
		t.Fatal(err)
	}
	if err := until("nothing is said"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the stream ended: %v", err)
	}
	w.say(run.RunToken, 0, api.RunStateINPROGRESS, api.AgentMessage{Text: "still here"}).want(200)
	if err := until("still here"); err != nil {
		t.Fatal(err)
	}
}

// TestHeadOfAStreamEnds: a HEAD request has no body to wait for.
func TestHeadOfAStreamEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.localRun("head")
	w.as(run.RunToken).post("/runner/start", api.RunnerStartRequest{}).want(200)
	for path, key := range map[string]string{"/agent/runs/" + run.RunId + "/stream": w.key, "/runner/commands/stream": run.RunToken} {
		c := w.bare()
		head := "HEAD /api/v1" + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\n\r\n"
		// The second answer shows that the first one is over.
		if _, err := io.WriteString(c, head+head); err != nil {
			t.Fatal(err)
		}
		answers := bufio.NewReader(c)
		for range 2 {
			rsp, err := http.ReadResponse(answers, &http.Request{Method: http.MethodHead})
			if err != nil || rsp.StatusCode != http.StatusOK || rsp.Header.Get("Content-Type") != "text/event-stream" {
				t.Fatalf("HEAD %s: %v %v", path, rsp, err)
			}
		}
	}
}

// TestConnectIsRefusedLikeAnyMethod: the mux would answer it by itself, in plain text.
func TestConnectIsRefusedLikeAnyMethod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rsp := w.raw(http.MethodConnect, "CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n")
	if rsp.StatusCode != http.StatusMethodNotAllowed || rsp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s", rsp.StatusCode, rsp.Header)
	}
}
