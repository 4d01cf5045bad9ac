package runner_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
)

// server is the far side of the wire with knobs: it keeps what the runner sends and can be away.
type server struct {
	t    testing.TB
	http *httptest.Server

	mu         sync.Mutex
	assignment api.RunnerAssignment
	secrets    map[api.SecretPhase]api.RunnerSecretsResponse
	history    []api.Entry
	entries    []api.NewEntry
	reports    []api.RunnerReport
	deltas     []api.Delta
	beats      int
	commands   []api.Command
	blobs      map[string][]byte
	snapshots  []kept // as they were first reported
	keptSeq    int64
	ended      []api.RunnerEndRequest
	endWaits   bool // commands wait: refuse the end once
	over       bool // the execution is superseded
	away       int  // how many requests to drop, some after carrying them out
	changed    chan struct{}
}

type kept struct {
	blob string
	seq  int64
}

func newServer(t testing.TB) *server {
	s := &server{t: t, blobs: map[string][]byte{}, changed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/runner/start", s.start)
	mux.HandleFunc("POST /api/v1/runner/secrets", s.handOut)
	mux.HandleFunc("POST /api/v1/runner/entries", s.append)
	mux.HandleFunc("POST /api/v1/runner/deltas", s.showDeltas)
	mux.HandleFunc("POST /api/v1/runner/heartbeat", s.heartbeat)
	mux.HandleFunc("GET /api/v1/runner/commands/stream", s.stream)
	mux.HandleFunc("POST /api/v1/runner/blobs", s.putBlob)
	mux.HandleFunc("POST /api/v1/runner/end", s.end)
	mux.HandleFunc("GET /api/v1/agent/runs/{id}/entries", s.list)
	mux.HandleFunc("GET /blob/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, _ = w.Write(s.blobs[r.PathValue("id")])
	})
	s.http = httptest.NewServer(mux)
	s.mu.Lock() // a runner of an earlier test may knock at a port given out again
	defer s.mu.Unlock()
	s.assignment = api.RunnerAssignment{
		RunId: "11111111-2222-3333-4444-555555555555", ExecutionId: rand.Text(), Execution: 1, Prompt: "do it", LastSeq: 1,
		Limits: api.RunnerLimits{HeartbeatSeconds: 1, MaxEntryBytes: 256 << 10, MaxBatchEntries: 10, MaxBlobBytes: 64 << 20}, BaseUrl: s.http.URL,
	}
	t.Cleanup(func() {
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// change changes the server under its lock and wakes whoever waits.
func (s *server) change(act func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	act()
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until cond holds.
func (s *server) await(what string, cond func() bool) {
	s.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		ok, changed := cond(), s.changed
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.t.Fatalf("waited in vain for %s; reports %+v, ended %+v, %d entries:\n%s", what, s.reports, s.ended, len(s.entries), s.dump())
		}
	}
}

func (s *server) dump() string {
	var b strings.Builder
	for _, e := range s.entries {
		fmt.Fprintf(&b, "%s %s\n", e.Type, e.Data)
	}
	return b.String()
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, retryable bool, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("x-should-retry", fmt.Sprint(retryable))
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:cadre:conflict", "title": "Conflict", "detail": detail, "retryable": retryable, "status": status})
}

// gone plays a server that is away: it breaks the connection. It must be called with the lock held.
func (s *server) gone() bool {
	if s.away == 0 {
		return false
	}
	s.away--
	return true
}

func (s *server) start(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone() {
		panic(http.ErrAbortHandler)
	}
	if s.over {
		refuse(w, http.StatusConflict, false, "superseded")
		return
	}
	answer(w, s.assignment)
}

// handOut gives the secrets of a phase.
func (s *server) handOut(w http.ResponseWriter, r *http.Request) {
	var req api.RunnerSecretsRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer(w, s.secrets[req.Phase])
}

func (s *server) append(w http.ResponseWriter, r *http.Request) {
	var req api.RunnerAppendRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		refuse(w, http.StatusBadRequest, false, err.Error())
		return
	}
	s.change(func() {
		drop := s.gone()
		if drop && s.away%2 == 0 {
			panic(http.ErrAbortHandler) // lost on its way here
		}
		if s.over {
			refuse(w, http.StatusConflict, false, "superseded")
			return
		}
		if have := int64(len(s.entries)); req.FirstIndex > have {
			s.t.Errorf("gap: first_index %d, have %d", req.FirstIndex, have)
			refuse(w, http.StatusConflict, false, "gap")
			return
		} else if have < req.FirstIndex+int64(len(req.Entries)) || len(req.Entries) == 0 {
			s.entries = append(s.entries, req.Entries[have-req.FirstIndex:]...)
			if state := req.Report.State; state != "" {
				if len(s.reports) == 0 && (state == api.RunStateSUCCEEDED || state == api.RunStateBLOCKED) {
					s.t.Errorf("%s before any work, which no server takes", state)
				}
				s.reports = append(s.reports, req.Report)
			}
		}
		if len(req.Entries) > s.assignment.Limits.MaxBatchEntries {
			s.t.Errorf("batch of %d", len(req.Entries))
		}
		s.keptSeq = max(s.keptSeq, req.SnapshotSeq)
		if n := len(s.snapshots); req.SnapshotBlobId != "" && (n == 0 || s.snapshots[n-1].blob != req.SnapshotBlobId) {
			s.snapshots = append(s.snapshots, kept{req.SnapshotBlobId, req.SnapshotSeq})
		}
		if drop {
			panic(http.ErrAbortHandler) // the answer is lost
		}
		answer(w, api.RunnerAppendResponse{LastSeq: int64(len(s.history) + len(s.entries)), NextIndex: req.FirstIndex + int64(len(req.Entries)), State: req.Report.State})
	})
}

func (s *server) showDeltas(w http.ResponseWriter, r *http.Request) {
	var req api.RunnerDeltasRequest
	_ = json.NewDecoder(r.Body).Decode(&req)
	s.change(func() { s.deltas = append(s.deltas, req.Deltas...) })
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) heartbeat(w http.ResponseWriter, _ *http.Request) {
	s.change(func() {
		s.beats++
		if s.over {
			refuse(w, http.StatusConflict, false, "superseded")
			return
		}
		answer(w, api.RunnerHeartbeatResponse{LeaseExpiresAt: time.Now().Add(time.Minute)})
	})
}

func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	_, _ = io.WriteString(w, ": hello\n\n")
	_ = flush.Flush()
	sent := 0
	for {
		s.mu.Lock()
		fresh, changed, over := s.commands[sent:], s.changed, s.over
		s.mu.Unlock()
		if over {
			return
		}
		for _, c := range fresh {
			b, _ := json.Marshal(c)
			_, _ = fmt.Fprintf(w, "event: command\nid: %d\ndata: %s\n\n", c.Id, b)
			sent++
		}
		_ = flush.Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (s *server) putBlob(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.change(func() {
		if s.gone() {
			panic(http.ErrAbortHandler)
		}
		id := fmt.Sprintf("blob-%d", len(s.blobs)+1)
		s.blobs[id] = b
		answer(w, api.BlobRef{BlobId: id, SizeBytes: int64(len(b))})
	})
}

func (s *server) end(w http.ResponseWriter, r *http.Request) {
	var req api.RunnerEndRequest
	_ = json.NewDecoder(r.Body).Decode(&req)
	s.change(func() {
		if s.endWaits {
			s.endWaits = false
			s.commands = append(s.commands, api.Command{Id: 99, Kind: api.CommandKindFollowUp, Text: "late", CreatedAt: time.Now()})
			refuse(w, http.StatusConflict, true, "messages wait")
			return
		}
		s.ended = append(s.ended, req)
		w.WriteHeader(http.StatusNoContent)
	})
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var after int64
	_, _ = fmt.Sscan(r.URL.Query().Get("after"), &after)
	page := api.ListEntriesResponse{Entries: []api.Entry{}, NextAfter: after}
	for _, e := range s.history {
		if e.Seq > after {
			page.Entries = append(page.Entries, e)
		}
	}
	answer(w, page)
}

// send gives the runner a command.
func (s *server) send(c api.Command) {
	s.change(func() {
		c.Id, c.CreatedAt = int64(len(s.commands)+1), time.Now()
		s.commands = append(s.commands, c)
	})
}

// of lists the decoded entries of a type.
func of[T api.EntryData](s *server) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []T
	for _, e := range s.entries {
		if data, err := api.DecodeEntry(e.Type, e.Data); err == nil {
			if v, ok := data.(T); ok {
				all = append(all, v)
			}
		}
	}
	return all
}

func (s *server) states() []api.RunState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.statesLocked()
}

func (s *server) statesLocked() []api.RunState {
	var all []api.RunState
	for _, r := range s.reports {
		all = append(all, r.State)
	}
	return all
}

func mustWrite(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
