package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// fakeWorker speaks the worker protocol by hand.
type fakeWorker struct {
	w  *world
	ws *websocket.Conn
}

func (w *world) connect(host string) *fakeWorker {
	w.t.Helper()
	ws, rsp, err := w.dial(host, w.key)
	if err != nil {
		w.t.Fatalf("connect: %v (%v)", err, rsp)
	}
	w.t.Cleanup(func() { _ = ws.CloseNow() })
	return &fakeWorker{w: w, ws: ws}
}

func (w *world) dial(host, key string) (*websocket.Conn, *http.Response, error) {
	return websocket.Dial(w.t.Context(), "ws"+strings.TrimPrefix(w.url, "http")+api.WorkerPath+"?worker_id="+host, //nolint:bodyclose // the library closes it
		&websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + key}}})
}

// receive waits for a message of a kind, passing over others.
func (f *fakeWorker) receive(kind api.WorkerMessageType, into any) {
	f.w.t.Helper()
	ctx, cancel := context.WithTimeout(f.w.t.Context(), patience)
	defer cancel()
	for {
		_, frame, err := f.ws.Read(ctx)
		if err != nil {
			f.w.t.Fatalf("waiting for %s: %v", kind, err)
		}
		var e api.WorkerEnvelope
		if err := json.Unmarshal(frame, &e); err != nil {
			f.w.t.Fatalf("%q: %v", frame, err)
		}
		if e.Type != kind {
			continue
		}
		if err := json.Unmarshal(e.Data, into); err != nil {
			f.w.t.Fatalf("%q: %v", frame, err)
		}
		return
	}
}

func (f *fakeWorker) send(kind api.WorkerMessageType, data any) {
	f.w.t.Helper()
	b, err := json.Marshal(data)
	if err != nil {
		f.w.t.Fatal(err)
	}
	frame, err := json.Marshal(api.WorkerEnvelope{Type: kind, Data: b})
	if err != nil {
		f.w.t.Fatal(err)
	}
	if err := f.ws.Write(f.w.t.Context(), websocket.MessageText, frame); err != nil {
		f.w.t.Fatal(err)
	}
}

// claim waits for a run's assignment and takes it.
func (f *fakeWorker) claim(runID string) api.TaskAssignment {
	f.w.t.Helper()
	var task api.TaskAssignment
	f.receive(api.WorkerAssignment, &task)
	if task.TaskID != runID || task.Task == nil {
		f.w.t.Fatalf("assigned %+v, want %s", task, runID)
	}
	f.send(api.WorkerClaimed, api.TaskReport{TaskID: task.TaskID, ExecutionID: task.ExecutionID})
	return task
}

func TestWorkerTakesARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	worker := w.connect("local")
	id := w.create(api.RunAgentRequest{Prompt: "work"})
	task := worker.claim(id)
	token := task.EnvVars["WARP_API_KEY"]
	if task.Task.TaskDefinition.Prompt != "work" || token == "" {
		t.Errorf("assignment %+v", task)
	}
	who := decode[api.WhoamiResponse](w.as(token).get("/whoami").want(200))
	if who.Type != api.WhoamiResponseTypeRun {
		t.Errorf("the run token is %+v", who)
	}
	w.as(token).post("/runner/start", api.RunnerStartRequest{}).want(200)
	w.say(token, 0, api.RunStateINPROGRESS, api.AgentMessage{Text: "on it"}).want(200)
	if got := w.run(id); got.State != api.RunStateINPROGRESS || !got.IsSandboxRunning {
		t.Errorf("run %+v", got)
	}
	hosts := decode[api.ConnectedWorkersResponse](w.get("/agent/connected-self-hosted-workers").want(200))
	if len(hosts.Workers) != 1 || hosts.Workers[0].WorkerHost != "local" || hosts.Workers[0].Running != 1 {
		t.Errorf("workers %+v", hosts)
	}

	// Cancel reaches the worker, the runner's stream and every later word of the runner.
	commands := w.as(token).follow("/runner/commands/stream")
	w.post("/agent/runs/"+id+"/cancel", nil).want(200)
	var stop api.TaskCancellation
	worker.receive(api.WorkerCancellation, &stop)
	if stop.TaskID != id {
		t.Errorf("cancellation %+v", stop)
	}
	if e, _ := commands.next(); !strings.Contains(e.data, `"kind":"cancel"`) {
		t.Errorf("command %+v", e)
	}
	late := w.say(token, 1, "", api.AgentMessage{Text: "still here"})
	late.wantProblem(api.PlatformErrorCodeConflict, 409, "over or superseded")
	if late.header.Get("x-should-retry") != "false" {
		t.Error("a fenced runner is told to try again")
	}
	w.as(token).get("/agent/runs/" + id).want(401)
	worker.send(api.WorkerCompleted, api.TaskReport{TaskID: id, TaskState: "CANCELLED"})
	w.as(token).post("/runner/end", api.RunnerEndRequest{}).want(204)
}

// TestFollowUpOfAnEndedRunStartsAgain: the run is QUEUED before the answer, and its next execution
// goes on after the entries it has.
func TestFollowUpOfAnEndedRunStartsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	worker := w.connect("local")
	id := w.create(api.RunAgentRequest{Prompt: "first"})
	first := worker.claim(id)
	token := first.EnvVars["WARP_API_KEY"]
	w.as(token).post("/runner/start", api.RunnerStartRequest{}).want(200)
	w.say(token, 0, api.RunStateINPROGRESS, api.AgentMessage{Text: "done"}).want(200)
	w.say(token, 1, api.RunStateSUCCEEDED).want(200)
	snapshot := decode[api.BlobRef](w.do(request{method: "POST", path: api.BasePath + "/runner/blobs?kind=snapshot&name=s.tar", key: token, body: "tar"}).want(200))
	w.as(token).post("/runner/end", api.RunnerEndRequest{SnapshotBlobId: snapshot.BlobId}).want(204)
	worker.send(api.WorkerCompleted, api.TaskReport{TaskID: id, ExecutionID: first.ExecutionID})

	ack := decode[api.Acknowledgement](w.post("/agent/runs/"+id+"/followups", api.RunFollowupRequest{Message: "second"}).want(200))
	if ack.State != api.RunStateQUEUED {
		t.Errorf("acknowledged in %s", ack.State)
	}
	handoff := decode[api.HandoffAttachmentsResponse](w.get("/agent/runs/" + id + "/handoff/attachments").want(200))
	if len(handoff.Attachments) != 1 || handoff.Attachments[0].Filename != "s.tar" {
		t.Errorf("handoff %+v", handoff)
	}
	second := worker.claim(id)
	if second.ExecutionID == first.ExecutionID {
		t.Fatal("the same execution again")
	}
	a := decode[api.RunnerAssignment](w.as(second.EnvVars["WARP_API_KEY"]).post("/runner/start", api.RunnerStartRequest{}).want(200))
	if a.Execution != 2 || a.LastSeq == 0 || a.NextIndex != 0 || len(a.Commands) != 1 || a.Commands[0].Text != "second" {
		t.Errorf("assignment %+v", a)
	}
	if got := w.do(request{method: "GET", path: a.SnapshotUrl}).want(200); string(got.body) != "tar" {
		t.Errorf("snapshot %q", got.body)
	}
	// The first execution's token is good for nothing any more.
	w.as(token).post("/runner/heartbeat", nil).want(409)
	w.as(token).get("/agent/runs/" + id).want(401)
}

func TestWorkersAreAuthenticated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.localRun("x")
	for name, c := range map[string]struct {
		host, key string
		status    int
	}{
		"no key":    {"local", "", 401},
		"viewer":    {"local", w.keyWith(identity.RoleViewer), 403},
		"run token": {"local", run.RunToken, 403},
		"no name":   {"", w.key, 400},
		"reserved":  {"warp-1", w.key, 400},
	} {
		ws, rsp, err := w.dial(c.host, c.key) //nolint:bodyclose // the library closes it
		if err == nil {
			_ = ws.CloseNow()
			t.Errorf("%s: connected", name)
			continue
		}
		if rsp == nil || rsp.StatusCode != c.status {
			t.Errorf("%s: %v, %v", name, rsp, err)
		}
	}
	w.get("/selfhosted/worker/ws?worker_id=x").wantProblem(api.PlatformErrorCodeInvalidRequest, 426, "WebSocket")
}

// TestWorkerOutlivesTheServer: connections are ended when the server stops and runs are kept.
func TestWorkerOutlivesTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	worker := w.connect("local")
	id := w.create(api.RunAgentRequest{Prompt: "work"})
	task := worker.claim(id)
	token := task.EnvVars["WARP_API_KEY"]
	w.as(token).post("/runner/start", api.RunnerStartRequest{}).want(200)
	w.say(token, 0, api.RunStateINPROGRESS, api.AgentMessage{Text: "one"}).want(200)
	w.cfg.Listen = w.srv.Addr().String()
	w.restart()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		if _, _, err := worker.ws.Read(ctx); err != nil {
			if ctx.Err() != nil {
				t.Fatal("the old connection lives")
			}
			break
		}
	}
	w.say(token, 1, "", api.AgentMessage{Text: "two"}).want(200)
	if got := w.run(id); got.State != api.RunStateINPROGRESS {
		t.Errorf("after the restart: %s", got.State)
	}
}
