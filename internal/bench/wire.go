package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/cadrehq/cadre/api"
)

// call makes one request of the API.
func (c *cadre) call(ctx context.Context, token, method, path string, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	return post(ctx, c.clients, token, method, c.url+api.BasePath+path, text, into)
}

func post(ctx context.Context, with *http.Client, token, method, url string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	rsp, err := with.Do(req)
	if err != nil {
		return err
	}
	defer rsp.Body.Close()
	answer, err := io.ReadAll(rsp.Body)
	if err != nil {
		return err
	}
	if rsp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, url, rsp.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// request is a run as people ask for it.
func request(host, prompt string) api.RunAgentRequest {
	idle := int32(0)
	return api.RunAgentRequest{Prompt: prompt, Config: api.AmbientAgentConfig{WorkerHost: host, IdleTimeoutMinutes: &idle}}
}

// create starts a run and returns its id.
func (c *cadre) create(ctx context.Context, req api.RunAgentRequest) (string, error) {
	var answer api.RunAgentResponse
	err := c.call(ctx, c.key, http.MethodPost, "/agent/runs", req, &answer)
	return answer.RunId, err
}

// creator returns what starts the same run again and again, as its floor is asked: with a request that
// was encoded before, since here client and server share the processors.
func (c *cadre) creator(req api.RunAgentRequest) (func(context.Context) error, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	url := c.url + api.BasePath + "/agent/runs"
	return func(ctx context.Context) error {
		return post(ctx, c.clients, c.key, http.MethodPost, url, body, nil)
	}, nil
}

// stream reads a stream of server-sent events line by line until see returns false or it ends.
func (c *cadre) stream(ctx context.Context, token, path string, open func(), see func(line []byte) bool) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+api.BasePath+path, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	rsp, err := c.clients.Do(req)
	if err != nil {
		return err
	}
	defer rsp.Body.Close()
	if rsp.StatusCode != http.StatusOK {
		return fmt.Errorf("stream %s: %s", path, rsp.Status)
	}
	open()
	lines := bufio.NewReaderSize(rsp.Body, 4<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return err
		}
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok && !see(data) {
			return nil
		}
	}
}

// fakeWorker speaks the worker protocol and carries nothing out.
type fakeWorker struct {
	ws   *websocket.Conn
	mu   sync.Mutex
	held map[string]string // execution to run
}

// connect connects a worker for a host; take hears every assignment, in order.
func (c *cadre) connect(ctx context.Context, host string, running []string, take func(*fakeWorker, api.TaskAssignment)) (*fakeWorker, error) {
	ws, _, err := websocket.Dial(ctx, //nolint:bodyclose // the library closes it
		"ws"+strings.TrimPrefix(c.url, "http")+api.WorkerPath+"?worker_id="+host,
		&websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + c.key}}})
	if err != nil {
		return nil, fmt.Errorf("connect worker: %w", err)
	}
	ws.SetReadLimit(8 << 20)
	w := &fakeWorker{ws: ws, held: map[string]string{}}
	if err := w.send(ctx, api.WorkerHello, api.Hello{Version: "bench", Backend: "bench", Running: running}); err != nil {
		return nil, err
	}
	go w.read(ctx, take)
	return w, nil
}

func (w *fakeWorker) read(ctx context.Context, take func(*fakeWorker, api.TaskAssignment)) {
	for {
		_, frame, err := w.ws.Read(ctx)
		if err != nil {
			return
		}
		var e api.WorkerEnvelope
		var task api.TaskAssignment
		if json.Unmarshal(frame, &e) != nil || e.Type != api.WorkerAssignment || json.Unmarshal(e.Data, &task) != nil {
			continue
		}
		take(w, task)
	}
}

func (w *fakeWorker) send(ctx context.Context, kind api.WorkerMessageType, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return err
	}
	frame, err := json.Marshal(api.WorkerEnvelope{Type: kind, Data: b})
	if err != nil {
		return err
	}
	return w.ws.Write(ctx, websocket.MessageText, frame)
}

// claim takes an assignment.
func (w *fakeWorker) claim(ctx context.Context, task api.TaskAssignment) error {
	w.mu.Lock()
	w.held[task.ExecutionID] = task.TaskID
	w.mu.Unlock()
	return w.send(ctx, api.WorkerClaimed, api.TaskReport{TaskID: task.TaskID, ExecutionID: task.ExecutionID})
}

// complete reports that an execution's process has ended well.
func (w *fakeWorker) complete(ctx context.Context, task api.TaskAssignment) error {
	w.mu.Lock()
	delete(w.held, task.ExecutionID)
	w.mu.Unlock()
	return w.send(ctx, api.WorkerCompleted, api.TaskReport{TaskID: task.TaskID, ExecutionID: task.ExecutionID})
}

// running lists the executions the worker holds.
func (w *fakeWorker) running() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]string, 0, len(w.held))
	for x := range w.held {
		list = append(list, x)
	}
	return list
}

// beat renews the worker's leases until ctx ends.
func (w *fakeWorker) beat(ctx context.Context) {
	for pause(ctx, 6*time.Second) == nil {
		if w.send(ctx, api.WorkerHeartbeat, api.Heartbeat{Running: w.running()}) != nil {
			return
		}
	}
}

func (w *fakeWorker) close() { _ = w.ws.CloseNow() }

// token is the run token of an assignment.
func token(task api.TaskAssignment) string { return task.EnvVars["WARP_API_KEY"] }

// say appends entries as a runner does, and reports a state.
func (c *cadre) say(ctx context.Context, token string, first int64, state api.RunState, entries ...api.EntryData) error {
	req := api.RunnerAppendRequest{FirstIndex: first, Entries: []api.NewEntry{}, Report: api.RunnerReport{State: state}}
	for _, e := range entries {
		req.Entries = append(req.Entries, api.MakeEntry(time.Now().UTC(), e))
	}
	return c.call(ctx, token, http.MethodPost, "/runner/entries", req, nil)
}
