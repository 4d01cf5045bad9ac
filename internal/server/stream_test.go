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
