package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// family is a parent with two children, all carried out by this test.
type family struct{ parent, child, sibling api.LocalRunResponse }

func (w *world) family() family {
	w.t.Helper()
	parent := w.localRun("parent")
	child := func(name string) api.LocalRunResponse {
		return decode[api.LocalRunResponse](w.post("/agent/local-runs", api.LocalRunRequest{Prompt: name, ParentRunId: parent.RunId}).want(200))
	}
	return family{parent, child("child"), child("sibling")}
}

// message is one from a run to others.
func message(from string, to ...string) api.SendMessageRequest {
	return api.SendMessageRequest{To: to, Subject: "Result", Body: "It is 42.", SenderRunId: from}
}

// sent sends a message and returns the ids of its copies.
func (w *world) sent(req api.SendMessageRequest) []string {
	w.t.Helper()
	return decode[api.SendMessageResponse](w.post("/agent/messages", req).want(200)).MessageIds
}

func (w *world) inbox(runID, query string) []api.MessageHeader {
	w.t.Helper()
	return decode[[]api.MessageHeader](w.get("/agent/messages/" + runID + query).want(200))
}

func TestMessagesBetweenRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	child := w.as(f.child.RunToken)
	ids := child.sent(message(f.child.RunId, f.sibling.RunId, f.parent.RunId))
	if len(ids) != 2 {
		t.Fatalf("copies %q", ids)
	}
	for i, who := range []api.LocalRunResponse{f.sibling, f.parent} { // in the order of the recipients
		list := w.as(who.RunToken).inbox(who.RunId, "")
		if len(list) != 1 || list[0].MessageId != ids[i] || list[0].SenderRunId != f.child.RunId || !list[0].ReadAt.IsZero() || list[0].SentAt.IsZero() {
			t.Errorf("mailbox %d holds %+v", i, list)
		}
	}
	// What its runner is told to deliver, and the entry that takes it up, in the sender's words.
	stream := w.as(f.parent.RunToken).follow("/runner/commands/stream")
	e, _ := stream.next()
	var command api.Command
	if err := json.Unmarshal([]byte(e.data), &command); err != nil || command.Kind != api.CommandKindMessage || command.Text != "It is 42." ||
		command.Message.MessageId != ids[1] || command.Message.SenderRunId != f.child.RunId || command.Message.Subject != "Result" {
		t.Fatalf("command %s (%v)", e.data, err)
	}
	w.say(f.parent.RunToken, 0, api.RunStateINPROGRESS, api.UserMessage{Text: "It is 41.", CommandID: command.Id, Subject: "Lie"}).want(200)
	entries := decode[api.ListEntriesResponse](w.get("/agent/runs/" + f.parent.RunId + "/entries").want(200)).Entries
	taken := entries[slices.IndexFunc(entries, func(e api.Entry) bool { return strings.Contains(string(e.Data), ids[1]) })]
	if data, err := taken.Decode(); err != nil || data.(api.UserMessage).Text != "It is 42." || data.(api.UserMessage).Subject != "Result" {
		t.Errorf("taken up as %s (%v)", taken.Data, err)
	}
	if list := w.inbox(f.parent.RunId, ""); list[0].DeliveredAt.IsZero() {
		t.Errorf("taken up and not delivered: %+v", list)
	}

	// A person may look without the agent losing anything; the run itself takes what it reads.
	body := decode[api.MessageBody](w.post("/agent/messages/"+ids[0]+"/read", nil).want(200))
	if body.Body != "It is 42." || body.ReadAt.IsZero() || !body.DeliveredAt.IsZero() {
		t.Errorf("read by a person: %+v", body)
	}
	body = decode[api.MessageBody](w.as(f.sibling.RunToken).post("/agent/messages/"+ids[0]+"/read", nil).want(200))
	if body.DeliveredAt.IsZero() {
		t.Errorf("read by its run: %+v", body)
	}
	if list := w.inbox(f.sibling.RunId, "?unread=true"); len(list) != 0 {
		t.Errorf("unread: %+v", list)
	}
	again := child.sent(message(f.child.RunId, f.sibling.RunId))[0]
	for range 2 {
		w.as(f.sibling.RunToken).post("/agent/messages/"+again+"/delivered", nil).want(204)
	}
	if list := w.inbox(f.sibling.RunId, "?limit=1&since="+body.SentAt.Add(time.Microsecond).Format(time.RFC3339Nano)); len(list) != 1 || list[0].MessageId != again || list[0].DeliveredAt.IsZero() {
		t.Errorf("since: %+v", list)
	}
}

func TestWhoMaySpeakToWhom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	other := w.family()
	child := w.as(f.child.RunToken)
	id := child.sent(message(f.child.RunId, f.parent.RunId))[0]
	missing := func(a answer) { t.Helper(); a.wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "") }

	// Another tree is not there, nor is a child of a sibling's parent's other kin.
	for _, to := range []string{other.parent.RunId, other.child.RunId, uuid.NewString()} {
		missing(child.post("/agent/messages", message(f.child.RunId, to)))
		missing(child.post("/agent/messages", message(f.child.RunId, f.parent.RunId, to)))
	}
	if list := w.inbox(f.parent.RunId, ""); len(list) != 1 {
		t.Errorf("a refused message reached one recipient: %+v", list)
	}
	child.post("/agent/messages", message(f.parent.RunId, f.sibling.RunId)).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "own run")
	w.as(f.parent.RunToken).sent(message(f.parent.RunId, f.child.RunId)) // downwards

	// Mailboxes: only one's own, for runs; nobody's of another team.
	stranger := w.as(w.otherTeam())
	for _, who := range []*world{child, w.as(other.parent.RunToken), stranger} {
		missing(who.get("/agent/messages/" + f.parent.RunId))
		missing(who.post("/agent/messages/"+id+"/read", nil))
		missing(who.post("/agent/messages/"+id+"/delivered", nil))
	}
	missing(stranger.post("/agent/messages", message(f.child.RunId, f.parent.RunId)))
	missing(stranger.get("/agent/events?run_ids=" + f.parent.RunId))
	missing(stranger.get("/agent/events/stream?ancestor_run_id=" + f.parent.RunId))
	missing(stranger.get("/agent/runs?parent_run_id=" + f.parent.RunId))
	missing(child.get("/agent/events?run_ids=" + f.parent.RunId)) // what happens above is not for it
	missing(child.get("/agent/events/stream?run_ids[]=" + f.sibling.RunId))
	w.as(f.parent.RunToken).get("/agent/events?run_ids=" + f.child.RunId).want(200)

	viewer := w.as(w.keyWith(identity.RoleViewer))
	viewer.get("/agent/messages/" + f.parent.RunId).want(200)
	viewer.post("/agent/messages", message(f.child.RunId, f.parent.RunId)).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "viewer")
	viewer.post("/agent/messages/"+id+"/read", nil).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "viewer")
	w.sent(message(f.child.RunId, other.parent.RunId)) // a person of the team may
}

func TestMessagesThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	to := f.parent.RunId
	for words, change := range map[string]func(*api.SendMessageRequest){
		"to:": func(r *api.SendMessageRequest) { r.To = []string{} }, "to names run": func(r *api.SendMessageRequest) { r.To = []string{to, to} },
		"sender itself": func(r *api.SendMessageRequest) { r.To = []string{r.SenderRunId} }, "to[0]": func(r *api.SendMessageRequest) { r.To = []string{"x"} },
		"sender_run_id":      func(r *api.SendMessageRequest) { r.SenderRunId = "x" },
		"subject: is req":    func(r *api.SendMessageRequest) { r.Subject = "  " },
		"subject: must be o": func(r *api.SendMessageRequest) { r.Subject = "a\nb" },
		"subject":            func(r *api.SendMessageRequest) { r.Subject = strings.Repeat("ä", 1025) },
		"body: is required":  func(r *api.SendMessageRequest) { r.Body = " " },
		"body":               func(r *api.SendMessageRequest) { r.Body = strings.Repeat("ä", 1<<16+1) },
		"to: may": func(r *api.SendMessageRequest) {
			r.To = nil
			for range 51 {
				r.To = append(r.To, uuid.NewString())
			}
		},
	} {
		req := message(f.child.RunId, to)
		change(&req)
		if a := w.post("/agent/messages", req); a.status != 400 {
			t.Errorf("%s: %s", words, a)
		}
	}
	largest := message(f.child.RunId, to)
	largest.Subject, largest.Body = strings.Repeat("ä", 1024), strings.Repeat("x", 128<<10)
	w.sent(largest)

	// The same request again sends nothing again; another under its key is refused.
	keyed := func(req api.SendMessageRequest) answer {
		return w.do(request{method: "POST", path: api.BasePath + "/agent/messages", key: w.key, body: req, header: http.Header{"Idempotency-Key": {"k"}}})
	}
	first := decode[api.SendMessageResponse](keyed(message(f.child.RunId, to)).want(200)).MessageIds[0]
	if again := decode[api.SendMessageResponse](keyed(message(f.child.RunId, to)).want(200)).MessageIds[0]; again != first {
		t.Errorf("sent twice: %s and %s", first, again)
	}
	other := message(f.child.RunId, to)
	other.Body = "It is 43."
	if p := keyed(other).wantProblem(api.PlatformErrorCodeConflict, 409, "Idempotency-Key"); *p.Retryable {
		t.Error("called retryable")
	}
	for range 98 {
		w.sent(message(f.child.RunId, to))
	}
	w.post("/agent/messages", message(f.child.RunId, f.sibling.RunId, to)).wantProblem(api.PlatformErrorCodeResourceUnavailable, 429, "100 messages wait")
	if list := w.inbox(f.sibling.RunId, ""); len(list) != 0 {
		t.Errorf("one of two recipients got it: %+v", list)
	}
}

func TestMessageToARunThatIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	wake := w.create(api.RunAgentRequest{Prompt: "ends at once"})
	w.post("/agent/runs/"+wake+"/cancel", nil).want(200)
	no := false
	req := message(f.child.RunId, wake)
	req.Wake = &no
	w.post("/agent/messages", req).wantProblem(api.PlatformErrorCodeOperationNotSupported, 422, "not to be woken")
	w.sent(message(f.child.RunId, wake))
	if state := w.run(wake).State; state != api.RunStateQUEUED {
		t.Errorf("woken it is %s", state)
	}
	// Its child's token must not undo a cancellation, and a machine of its own cannot be called back.
	cancelled := decode[api.RunAgentResponse](w.post("/agent/runs", api.RunAgentRequest{Prompt: "x", ParentRunId: f.parent.RunId}).want(200)).RunId
	w.post("/agent/runs/"+cancelled+"/cancel", nil).want(200)
	w.as(f.parent.RunToken).post("/agent/messages", message(f.parent.RunId, cancelled)).
		wantProblem(api.PlatformErrorCodeOperationNotSupported, 422, "only a person")
	w.say(f.sibling.RunToken, 0, api.RunStateINPROGRESS).want(200)
	w.say(f.sibling.RunToken, 0, api.RunStateSUCCEEDED).want(200)
	w.as(f.sibling.RunToken).post("/runner/end", api.RunnerEndRequest{}).want(204)
	w.post("/agent/messages", message(f.child.RunId, f.sibling.RunId)).
		wantProblem(api.PlatformErrorCodeOperationNotSupported, 422, "machine of its own")
}

// TestMessageToARunThatWaitsForAPerson decides nothing: the request stays open, the message waits.
func TestMessageToARunThatWaitsForAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	parent := "/agent/runs/" + f.parent.RunId
	w.say(f.parent.RunToken, 0, api.RunStateINPROGRESS).want(200)
	w.say(f.parent.RunToken, 0, "", api.Request{ID: "q", Kind: api.RequestKindPermission, Prompt: "May I?"}).want(200)
	w.as(f.child.RunToken).sent(message(f.child.RunId, f.parent.RunId))
	if r := w.run(f.parent.RunId); r.State != api.RunStateBLOCKED || r.Waiting.Code != api.WaitingCodePermission {
		t.Errorf("the message made it %s (%s)", r.State, r.Waiting.Code)
	}
	w.post(parent+"/requests/q/answer", api.AnswerRequest{Decision: api.AnswerDecisionAllow}).want(200)
	if r := w.run(f.parent.RunId); r.State != api.RunStateINPROGRESS {
		t.Errorf("answered it is %s", r.State)
	}
	// It does not end before it has taken the message up.
	w.say(f.parent.RunToken, 1, api.RunStateSUCCEEDED).want(200)
	if r := w.run(f.parent.RunId); r.State != api.RunStateINPROGRESS {
		t.Errorf("with a message waiting it is %s", r.State)
	}
}

func TestWaitingForMessagesShows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := w.localRun("waits")
	report := func(state api.RunState, waiting api.WaitingCode) answer {
		return w.as(own.RunToken).post("/runner/entries", api.RunnerAppendRequest{Entries: []api.NewEntry{}, Report: api.RunnerReport{State: state, Waiting: waiting}})
	}
	report(api.RunStateINPROGRESS, "").want(200)
	next := w.changes(w.key)
	report(api.RunStateINPROGRESS, api.WaitingCodeMessages).want(200)
	if r := next(); r.State != api.RunStateINPROGRESS || r.Waiting.Code != api.WaitingCodeMessages || r.Waiting.Message == "" {
		t.Errorf("lists show %s %+v", r.State, r.Waiting)
	}
	report(api.RunStateINPROGRESS, "").want(200)
	if r := next(); r.Waiting.Code != "" {
		t.Errorf("lists show %+v", r.Waiting)
	}
	report(api.RunStateBLOCKED, api.WaitingCodeMessages).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "report.waiting")
	report(api.RunStateINPROGRESS, api.WaitingCodePlan).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "report.waiting")
}

// happened reads one event of a stream.
func (s *stream) happened() api.AgentRunEvent {
	s.t.Helper()
	e, ok := s.next()
	if !ok {
		s.t.Fatal("the stream ended")
	}
	var v api.AgentRunEvent
	if err := json.Unmarshal([]byte(e.data), &v); err != nil || e.name != "" || e.id != fmt.Sprint(v.Sequence) {
		s.t.Fatalf("event %+v (%v)", e, err)
	}
	return v
}

func TestFollowingRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	parent := w.localRun("parent")
	whole := w.follow("/agent/events/stream?ancestor_run_id=" + parent.RunId + "&include_self=true")
	below := w.as(parent.RunToken).follow("/agent/events/stream?ancestor_run_id=" + parent.RunId)
	w.say(parent.RunToken, 0, api.RunStateINPROGRESS).want(200)
	child := decode[api.LocalRunResponse](w.post("/agent/local-runs", api.LocalRunRequest{Prompt: "child", ParentRunId: parent.RunId}).want(200))
	w.as(child.RunToken).post("/runner/start", api.RunnerStartRequest{}).want(200)
	w.say(child.RunToken, 0, api.RunStateINPROGRESS).want(200)
	id := w.as(child.RunToken).sent(message(child.RunId, parent.RunId))[0]
	w.say(child.RunToken, 0, api.RunStateSUCCEEDED).want(200)
	want := []api.AgentRunEvent{
		{RunId: parent.RunId, EventType: "run_in_progress"}, {RunId: parent.RunId, EventType: "child_agent_started", RefId: child.RunId},
		{RunId: child.RunId, EventType: "run_session_linked", RefId: child.RunId}, {RunId: child.RunId, EventType: "run_in_progress"},
		{RunId: parent.RunId, EventType: "new_message", RefId: id}, {RunId: child.RunId, EventType: "run_succeeded"},
	}
	var seen []api.AgentRunEvent
	for i, e := range want {
		got := whole.happened()
		if got.RunId != e.RunId || got.EventType != e.EventType || got.RefId != e.RefId || got.OccurredAt.IsZero() || i > 0 && got.Sequence <= seen[i-1].Sequence {
			t.Fatalf("event %d is %+v, want %+v", i, got, e)
		}
		seen = append(seen, got)
	}
	for _, i := range []int{2, 3, 5} {
		if got := below.happened(); got.Sequence != seen[i].Sequence {
			t.Errorf("without the parent %+v, want %+v", got, seen[i])
		}
	}

	// The same by asking, in pages, and by streams that begin later.
	path := "/agent/events?run_ids=" + parent.RunId + "&run_ids=" + child.RunId
	var polled []int64
	for since := int64(0); ; {
		page := decode[[]api.AgentRunEvent](w.get(fmt.Sprintf("%s&limit=4&since=%d", path, since)).want(200))
		for _, e := range page {
			polled, since = append(polled, e.Sequence), e.Sequence
		}
		if len(page) < 4 {
			break
		}
	}
	if len(polled) != len(want) || polled[0] != seen[0].Sequence || polled[5] != seen[5].Sequence {
		t.Errorf("asked for: %d, streamed: %+v", polled, seen)
	}
	both := "run_ids[]=" + parent.RunId + "&run_ids[]=" + child.RunId
	if e := w.follow(fmt.Sprintf("/agent/events/stream?%s&since=%d", both, seen[2].Sequence)).happened(); e.Sequence != seen[3].Sequence {
		t.Errorf("since: %+v", e)
	}
	if e := w.follow("/agent/events/stream?"+both+"&since=1", "Last-Event-ID", fmt.Sprint(seen[4].Sequence)).happened(); e.Sequence != seen[5].Sequence {
		t.Errorf("resumed: %+v", e)
	}
	for _, bad := range []string{"/agent/events", "/agent/events?run_ids=x", path + "&since=-1", path + "&limit=501", path + "&since=x",
		"/agent/events?run_ids=" + strings.Repeat(uuid.NewString()+"&run_ids=", 201) + parent.RunId,
		"/agent/events/stream", "/agent/events/stream?" + both + "&ancestor_run_id=" + parent.RunId, "/agent/events/stream?ancestor_run_id=x",
		"/agent/events/stream?" + both + "&since=-1", "/agent/events/stream?ancestor_run_id=" + parent.RunId + "&include_self=perhaps"} {
		if a := w.get(bad); a.status != 400 {
			t.Errorf("%.100s: %s", bad, a)
		}
	}
}

// TestEventsAfterARestart: what was stored is found, whatever became of the hints about it.
func TestEventsAfterARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := w.family()
	id := w.as(f.child.RunToken).sent(message(f.child.RunId, f.parent.RunId))[0]
	w.restart()
	s := w.follow("/agent/events/stream?run_ids[]=" + f.parent.RunId)
	for {
		if e := s.happened(); e.EventType == api.AgentRunEventTypeNewMessage {
			if e.RefId != id {
				t.Errorf("message %s", e.RefId)
			}
			return
		}
	}
}

func TestClientsOfLocalRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := w.localRun("carried out elsewhere")
	events := "/agent/events/" + own.RunId
	tell := func(e string) answer { return w.post(events, map[string]any{"event_type": e}) }
	tell("run_succeeded").wantProblem(api.PlatformErrorCodeConflict, 409, "cannot become")
	first := decode[api.ReportEventResponse](tell("run_in_progress").want(200)).Sequence
	if again := decode[api.ReportEventResponse](tell("run_in_progress").want(200)).Sequence; again != first || first == 0 {
		t.Errorf("told twice: %d, %d", first, again)
	}
	tell("run_blocked").want(200)
	if r := w.run(own.RunId); r.State != api.RunStateBLOCKED || r.Waiting.Code == "" {
		t.Errorf("%s %+v", r.State, r.Waiting)
	}
	tell("run_in_progress").want(200)
	w.post(events, api.ReportEventRequest{EventType: "run_succeeded", ExecutionId: "another"}).wantProblem(api.PlatformErrorCodeConflict, 409, "execution_id")
	last := decode[api.ReportEventResponse](w.as(own.RunToken).post(events, api.ReportEventRequest{EventType: "run_succeeded", ExecutionId: own.ExecutionId}).want(200)).Sequence
	if r := w.run(own.RunId); r.State != api.RunStateSUCCEEDED || last <= first {
		t.Errorf("%s, event %d after %d", r.State, last, first)
	}
	tell("run_queued").want(400)
	remote := w.create(api.RunAgentRequest{Prompt: "a worker's"})
	w.post("/agent/events/"+remote, map[string]any{"event_type": "run_failed"}).wantProblem(api.PlatformErrorCodeOperationNotSupported, 422, "worker")

	sequence := func(n any) answer {
		return w.do(request{method: "PATCH", path: api.BasePath + "/agent/runs/" + own.RunId + "/event-sequence", key: w.key, body: map[string]any{"sequence": n}})
	}
	sequence(last).want(204)
	sequence(first).want(204) // never back
	sequence(-1).want(400)
	sequence("x").want(400)
	if got := w.run(own.RunId).LastEventSequence; got != last {
		t.Errorf("last_event_sequence is %d, want %d", got, last)
	}

	steps := "/agent/runs/" + own.RunId + "/client-events"
	at := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	step := map[string]any{"event_uuid": uuid.NewString(), "event_name": "setup_environment_repo_clone", "timestamp": at,
		"payload": map[string]any{"latency_ms": 1500, "is_error": true}}
	w.post(steps, step).want(204)
	w.post(steps, step).want(204)
	for _, bad := range []map[string]any{{}, {"event_uuid": "x", "event_name": "n", "timestamp": at},
		{"event_uuid": uuid.NewString(), "event_name": "a\nb", "timestamp": at}, {"event_uuid": uuid.NewString(), "event_name": "n", "timestamp": "yesterday"}} {
		w.post(steps, bad).want(400)
	}
	timeline := decode[api.TimelineResponse](w.get("/agent/runs/" + own.RunId + "/timeline").want(200)).Events
	told := slices.DeleteFunc(timeline, func(e api.TimelineEvent) bool { return e.Name != "setup_environment_repo_clone" })
	if len(told) != 1 || told[0].DurationMs != 1500 || !told[0].Error || !told[0].At.Equal(at.Add(-1500*time.Millisecond)) {
		t.Errorf("the timeline has %+v", told)
	}
}
