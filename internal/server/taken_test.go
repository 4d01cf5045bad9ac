package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
)

// open opens a stream on a bare connection and reads the head of its answer.
func (w *world) open(c net.Conn, path string) *http.Response {
	w.t.Helper()
	if _, err := io.WriteString(c, "GET /api/v1"+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+w.key+"\r\n\r\n"); err != nil {
		w.t.Fatal(err)
	}
	rsp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodGet})
	if err != nil || rsp.StatusCode != http.StatusOK {
		w.t.Fatalf("%v, %v", rsp, err)
	}
	return rsp
}

// TestStreamHeaders: whoever writes a stream's headers, they are those of every answer.
func TestStreamHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.localRun("headers")
	w.as(run.RunToken).post("/runner/start", api.RunnerStartRequest{}).want(200)
	plain := w.get("/whoami").want(200).header
	for path, key := range map[string]string{"/agent/runs/" + run.RunId + "/stream": w.key, "/runner/commands/stream": run.RunToken} {
		rsp := w.as(key).open(w.bare(), path)
		if !rsp.Close || rsp.ContentLength != -1 || len(rsp.TransferEncoding) != 0 {
			t.Errorf("%s: the body does not end with the connection: %+v", path, rsp)
		}
		for name := range plain {
			if name != "Content-Length" && rsp.Header.Get(name) == "" {
				t.Errorf("%s: lacks %s", path, name)
			}
		}
		if rsp.Header.Get("Content-Type") != "text/event-stream" || rsp.Header.Get("X-Accel-Buffering") != "no" {
			t.Errorf("%s: headers %v", path, rsp.Header)
		}
	}
}

// TestStreamEndsWithItsClient: the server notices that a client has gone although nothing is written.
func TestStreamEndsWithItsClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.localRun("leave")
	w.as(run.RunToken).post("/runner/start", api.RunnerStartRequest{}).want(200)
	for path, key := range map[string]string{"/agent/runs/" + run.RunId + "/stream": w.key, "/runner/commands/stream": run.RunToken} {
		c := w.bare()
		rsp := w.as(key).open(c, path)
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, rsp.Body); err != nil {
			t.Errorf("%s: the connection stays open: %v", path, err)
		}
	}
}

// TestStreamIgnoresWhatItsClientSays, up to a bound.
func TestStreamIgnoresWhatItsClientSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.localRun("chatter")
	w.say(run.RunToken, 0, api.RunStateINPROGRESS).want(200)
	c := w.bare()
	lines := bufio.NewReader(w.open(c, "/agent/runs/"+run.RunId+"/stream").Body)
	if _, err := io.WriteString(c, "GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	w.say(run.RunToken, 0, "", api.AgentMessage{Text: "still here"}).want(200)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, "still here") {
			break
		}
	}
	for i := 0; ; i++ {
		if _, err := c.Write(make([]byte, 4096)); err != nil {
			break // the server has closed
		}
		if i == 1<<16 {
			t.Fatal("the server takes whatever comes")
		}
	}
}

// TestStalledViewerHoldsNobody: one viewer takes nothing. Others see all as it comes, and when it goes on
// it has missed nothing.
func TestStalledViewerHoldsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.localRun("much")
	w.say(run.RunToken, 0, api.RunStateINPROGRESS).want(200)
	path := "/agent/runs/" + run.RunId + "/stream"
	c := w.bare()
	stalled := w.open(c, path)
	quick := w.follow(path)
	const messages = 28
	text := strings.Repeat("x", 200<<10) // 5 MiB in all: more than the buffers on the way
	for i := range messages {
		w.say(run.RunToken, int64(i), "", api.AgentMessage{Text: text}).want(200)
		for quick.entry().Type != api.EntryTypeAgentMessage { // the state changes at the beginning
		}
	}
	w.say(run.RunToken, messages, api.RunStateSUCCEEDED).want(200)
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	seq, seen, ended := int64(0), 0, false
	lines := bufio.NewScanner(stalled.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			ended = ended || lines.Text() == "event: end"
			continue
		}
		if ended {
			break
		}
		var e api.Entry
		if err := json.Unmarshal([]byte(data), &e); err != nil || e.Seq != seq+1 {
			t.Fatalf("entry %d after %d: %v", e.Seq, seq, err)
		}
		seq = e.Seq
		if e.Type == api.EntryTypeAgentMessage {
			seen++
		}
	}
	if err := lines.Err(); err != nil || !ended || seen != messages {
		t.Errorf("%d messages of %d, ended %v: %v", seen, messages, ended, err)
	}
}

// TestStreamsBehindOthers: a proxy that speaks TLS and HTTP/2 to clients, and the handler itself behind
// HTTP/2, where no connection can be taken over.
func TestStreamsBehindOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	target, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	for name, handler := range map[string]http.Handler{
		"proxy":  &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }},
		"HTTP/2": w.srv.Handler(),
	} {
		front := httptest.NewUnstartedServer(handler)
		front.EnableHTTP2 = true
		front.StartTLS()
		t.Cleanup(front.Close)
		t.Run(name, func(t *testing.T) { streamsWork(t, w, front) })
	}
}

func streamsWork(t *testing.T, w *world, front *httptest.Server) {
	run := w.localRun("behind")
	w.say(run.RunToken, 0, api.RunStateINPROGRESS).want(200)
	get := func(path, key string) *bufio.Reader {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		t.Cleanup(cancel)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, front.URL+api.BasePath+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		rsp, err := front.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = rsp.Body.Close() })
		if rsp.StatusCode != http.StatusOK || rsp.ProtoMajor != 2 || rsp.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%+v", rsp)
		}
		return bufio.NewReader(rsp.Body)
	}
	until := func(lines *bufio.Reader, text string) {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("before %q: %v", text, err)
			}
			if strings.Contains(line, text) {
				return
			}
		}
	}
	viewer, commands := get("/agent/runs/"+run.RunId+"/stream", w.key), get("/runner/commands/stream", run.RunToken)
	until(viewer, `"INPROGRESS"`)
	w.say(run.RunToken, 0, "", api.AgentMessage{Text: "as it comes"}).want(200)
	until(viewer, "as it comes")
	w.post("/agent/runs/"+run.RunId+"/followups", api.RunFollowupRequest{Message: "listen"}).want(200)
	until(commands, "listen")
	w.say(run.RunToken, 1, api.RunStateSUCCEEDED, api.UserMessage{CommandID: 1}).want(200)
	until(viewer, "event: end")
	if _, err := io.Copy(io.Discard, viewer); err != nil {
		t.Errorf("after the end: %v", err)
	}
}
