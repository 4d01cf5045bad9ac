package server_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/cadrehq/cadre/api"
)

// TestStreamResumesWithoutGapOrRepeat drops the connection at every entry and comes back in both of
// the ways a client may.
func TestStreamResumesWithoutGapOrRepeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.localRun("count")
	w.say(run.RunToken, 0, api.RunStateINPROGRESS).want(200)
	const total = 30
	var written sync.WaitGroup
	written.Go(func() {
		for i := range total {
			w.say(run.RunToken, int64(i), "", api.AgentMessage{Text: strconv.Itoa(i)})
		}
		w.say(run.RunToken, total, api.RunStateSUCCEEDED)
	})
	var last int64
	var texts []string
	for ended, n := false, 0; !ended; n++ {
		path := "/agent/runs/" + run.RunId + "/stream"
		var s *stream
		if n%2 == 0 {
			s = w.follow(path, "Last-Event-ID", strconv.FormatInt(last, 10))
		} else {
			s = w.follow(path + "?after=" + strconv.FormatInt(last, 10))
		}
		for range 1 + n%3 {
			e, ok := s.next()
			if !ok {
				t.Fatal("stream ended without saying so")
			}
			if e.name == "end" {
				ended = true
				break
			}
			var entry api.Entry
			if err := json.Unmarshal([]byte(e.data), &entry); err != nil || entry.Seq != last+1 || e.id != strconv.FormatInt(entry.Seq, 10) {
				t.Fatalf("%+v after %d: %v", e, last, err)
			}
			last = entry.Seq
			if d, _ := entry.Decode(); entry.Type == api.EntryTypeAgentMessage {
				texts = append(texts, d.(api.AgentMessage).Text)
			}
		}
		s.close()
	}
	written.Wait()
	if len(texts) != total {
		t.Fatalf("saw %d messages: %v", len(texts), texts)
	}
	for i, text := range texts {
		if text != strconv.Itoa(i) {
			t.Fatalf("message %d is %q", i, text)
		}
	}
}

// TestViewersShareOneSession: all see the same, entries and deltas, in the same order.
func TestViewersShareOneSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.localRun("show")
	w.say(run.RunToken, 0, api.RunStateINPROGRESS).want(200)
	viewers := make([]*stream, 50)
	for i := range viewers {
		viewers[i] = w.follow(fmt.Sprintf("/agent/runs/%s/stream", run.RunId))
		for viewers[i].entry().Type != api.EntryTypeState { // all are in the room now
		}
	}
	w.as(run.RunToken).post("/runner/deltas", api.RunnerDeltasRequest{Deltas: []api.Delta{{Key: "m", Kind: api.DeltaKindText, Text: "he\nl"}}}).want(204)
	for _, v := range viewers {
		e, _ := v.next()
		var d api.Delta
		if err := json.Unmarshal([]byte(e.data), &d); err != nil || e.name != "delta" || e.id != "" || d.Text != "he\nl" {
			t.Fatalf("delta %+v, %v", e, err)
		}
	}
	w.say(run.RunToken, 0, "", api.AgentMessage{Key: "m", Text: "he\nllo\r\n\u2028 event: end"}).want(200)
	for _, v := range viewers {
		entry := v.entry()
		if d, _ := entry.Decode(); d.(api.AgentMessage).Text != "he\nllo\r\n\u2028 event: end" {
			t.Fatalf("entry %+v", entry)
		}
	}
	if got := viewers[0].rsp.Header; got.Get("X-Accel-Buffering") != "no" || got.Get("Content-Type") != "text/event-stream" {
		t.Errorf("headers %v", got)
	}
}

// TestHostileOutputIsKeptHarmless: what no client could show is mended, never refused, since a
// runner would offer it again for ever.
func TestHostileOutputIsKeptHarmless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.localRun("x")
	w.say(run.RunToken, 0, api.RunStateINPROGRESS).want(200)
	body := "{\"first_index\":0,\"entries\":[{\"type\":\"agent_message\",\"data\":{\"text\":\"a\xffb\\u0000c\\ud800d\x7f\\u001b[31m\"}}]}"
	w.as(run.RunToken).post("/runner/entries", body).want(200)
	entries := decode[api.ListEntriesResponse](w.get("/agent/runs/" + run.RunId + "/entries").want(200)).Entries
	d, err := entries[len(entries)-1].Decode()
	if err != nil || d.(api.AgentMessage).Text != "a\uFFFDb\uFFFDc\uFFFDd\x7f\x1b[31m" {
		t.Errorf("stored %q, %v", d, err)
	}
}

// TestStreamGoesOnAfterItsEnd: a stream ends with the run although its sandbox idles on. Whoever comes
// back with the number of the last entry misses nothing of what follows, and a message brings the
// stream back to life.
func TestStreamGoesOnAfterItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.localRun("idle")
	path := "/agent/runs/" + run.RunId + "/stream"
	w.say(run.RunToken, 0, api.RunStateINPROGRESS).want(200)
	last := int64(0)
	read := func(s *stream, until func(api.Entry) bool) {
		t.Helper()
		for {
			e := s.entry()
			if e.Seq != last+1 {
				t.Fatalf("entry %d after %d", e.Seq, last)
			}
			last = e.Seq
			if until(e) {
				return
			}
		}
	}
	becomes := func(state api.RunState) func(api.Entry) bool {
		return func(e api.Entry) bool {
			d, _ := e.Decode()
			change, ok := d.(api.StateChange)
			return ok && change.To == state
		}
	}
	ends := func(s *stream) {
		t.Helper()
		if e, ok := s.next(); !ok || e.name != "end" {
			t.Fatalf("%+v instead of the end", e)
		}
		if e, ok := s.next(); ok {
			t.Fatalf("%+v after the end", e)
		}
	}
	for turn := range 3 {
		s := w.follow(path + "?after=" + strconv.FormatInt(last, 10))
		w.say(run.RunToken, int64(2*turn), api.RunStateSUCCEEDED, api.AgentMessage{Text: "done"}).want(200)
		read(s, becomes(api.RunStateSUCCEEDED))
		ends(s)
		idle := w.follow(path + "?after=" + strconv.FormatInt(last, 10)) // nothing new: it ends at once
		ends(idle)
		if turn == 2 {
			break
		}
		w.post("/agent/runs/"+run.RunId+"/followups", api.RunFollowupRequest{Message: "more"}).want(200)
		s = w.follow(path + "?after=" + strconv.FormatInt(last, 10))
		read(s, becomes(api.RunStateINPROGRESS))
		s.close()
		w.say(run.RunToken, int64(2*turn+1), "", api.UserMessage{CommandID: int64(turn + 1)}).want(200)
	}
	w.as(run.RunToken).post("/runner/end", api.RunnerEndRequest{}).want(204)
	s := w.follow(path + "?after=" + strconv.FormatInt(last, 10))
	read(s, func(e api.Entry) bool { return e.Type == api.EntryTypeExecution })
	ends(s)
}
