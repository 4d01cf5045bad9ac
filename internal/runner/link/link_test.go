package link_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/link"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// far is the server's end of the wire: handle answers each request, in turn.
type far struct {
	client *link.Client

	mu       sync.Mutex
	requests []api.RunnerAppendRequest
}

func newFar(t *testing.T, handle http.HandlerFunc) *far {
	t.Helper()
	s := httptest.NewServer(handle)
	f := &far{}
	var err error
	if f.client, err = link.New(s.URL, "token", link.Options{Retry: link.Backoff{First: time.Millisecond, Most: 5 * time.Millisecond}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.client.Close()
		s.CloseClientConnections()
		s.Close()
	})
	return f
}

func problem(w http.ResponseWriter, status int, retryable bool) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"type":"urn:cadre:conflict","title":"No","detail":"no","retryable":%v,"status":%d}`, retryable, status)
}

// outbox makes an outbox whose appends meet these answers in turn, 200 after them.
func outbox(t *testing.T, answers ...int) (*far, *link.Outbox, func() error) {
	t.Helper()
	var f *far
	f = newFar(t, func(w http.ResponseWriter, r *http.Request) {
		var req api.RunnerAppendRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		f.mu.Lock()
		f.requests = append(f.requests, req)
		status := http.StatusOK
		if n := len(f.requests); n <= len(answers) {
			status = answers[n-1]
		}
		f.mu.Unlock()
		switch status {
		case 0:
			panic(http.ErrAbortHandler)
		case http.StatusOK:
			next := req.FirstIndex + int64(len(req.Entries))
			_ = json.NewEncoder(w).Encode(api.RunnerAppendResponse{LastSeq: 100 + next, NextIndex: next, State: api.RunStateINPROGRESS})
		default:
			problem(w, status, false)
		}
	})
	o := link.NewOutbox(f.client, api.RunnerAssignment{NextIndex: 3, LastSeq: 103, Limits: api.RunnerLimits{MaxBatchEntries: 2, MaxEntryBytes: 100}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	stop := sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	return f, o, stop
}

func note(text string) api.NewEntry { return api.MakeEntry(time.Now(), api.Notice{Text: text}) }

func (f *far) sent() []api.RunnerAppendRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// A batch whose answer is lost is sent again under its index, unchanged, until it is answered.
func TestOutboxInsists(t *testing.T) {
	t.Parallel()
	f, o, _ := outbox(t, 0, 503, 429)
	r, err := o.Put(t.Context(), nil, note("a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context()); err != nil || r.LastSeq() != 104 || o.LastSeq() != 104 || o.State() != api.RunStateINPROGRESS {
		t.Errorf("%v, %d, %d", err, r.LastSeq(), o.LastSeq())
	}
	sent := f.sent()
	if len(sent) != 4 {
		t.Fatalf("%d requests", len(sent))
	}
	for _, req := range sent {
		if req.FirstIndex != 3 || len(req.Entries) != 1 {
			t.Errorf("%+v", req)
		}
	}
}

// What is larger than a batch is split, in order, under one receipt; what is too large is refused.
func TestOutboxBounds(t *testing.T) {
	t.Parallel()
	f, o, _ := outbox(t)
	if _, err := o.Put(t.Context(), nil, note(strings.Repeat("x", 200))); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
		t.Errorf("too large: %v", err)
	}
	r, err := o.Put(t.Context(), &api.RunnerReport{State: api.RunStateSUCCEEDED}, note("1"), note("2"), note("3"), note("4"), note("5"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context()); err != nil || r.LastSeq() != 108 {
		t.Errorf("%v, %d", err, r.LastSeq())
	}
	next := int64(3)
	sent := f.sent()
	for i, req := range sent {
		if req.FirstIndex != next || len(req.Entries) > 2 || (req.Report.State != "") != (i == len(sent)-1) {
			t.Errorf("request %d: %+v", i, req)
		}
		next += int64(len(req.Entries))
	}
	if next != 8 {
		t.Errorf("delivered up to %d", next)
	}
}

// A batch refused for good fails its producers and nobody else.
func TestOutboxGivesUpABatch(t *testing.T) {
	t.Parallel()
	_, o, _ := outbox(t, 400)
	bad, err := o.Put(t.Context(), nil, note("bad"))
	if err != nil {
		t.Fatal(err)
	}
	var f *api.Failure
	if err := bad.Wait(t.Context()); !errors.As(err, &f) || f.Status != 400 {
		t.Errorf("%v", err)
	}
	good, err := o.Put(t.Context(), nil, note("good"))
	if err == nil {
		err = good.Wait(t.Context())
	}
	if err != nil || good.LastSeq() != 104 {
		t.Errorf("%v, %d: the refused entry was counted", err, good.LastSeq())
	}
}

// A superseded execution ends the outbox and everything that waits in it.
func TestOutboxIsOver(t *testing.T) {
	t.Parallel()
	_, o, stop := outbox(t, 409)
	r, err := o.Put(t.Context(), nil, note("a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context()); !errors.Is(err, link.ErrOver) {
		t.Errorf("%v", err)
	}
	if err := stop(); !errors.Is(err, link.ErrOver) {
		t.Errorf("Run: %v", err)
	}
	if _, err := o.Put(t.Context(), nil, note("b")); !errors.Is(err, link.ErrOver) {
		t.Errorf("afterwards: %v", err)
	}
	if err := o.Flush(t.Context()); !errors.Is(err, link.ErrOver) {
		t.Errorf("flush: %v", err)
	}
}

// News about the workspace ride with the next request, or go at once when asked to.
func TestOutboxKept(t *testing.T) {
	t.Parallel()
	f, o, _ := outbox(t, 503)
	o.PutKept(link.Kept{Blob: "old", Seq: 101}, false)
	o.PutKept(link.Kept{Blob: "b1", Seq: 102}, false)
	r, err := o.Put(t.Context(), nil, note("a"))
	if err == nil {
		err = r.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	o.PutKept(link.Kept{Blob: "b2", Seq: 104}, true)
	for deadline := time.Now().Add(10 * time.Second); len(f.sent()) < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never sent")
		}
	}
	for i, want := range []link.Kept{{Blob: "b1", Seq: 102}, {Blob: "b1", Seq: 102}, {Blob: "b2", Seq: 104}} {
		if req := f.sent()[i]; req.SnapshotBlobId != want.Blob || req.SnapshotSeq != want.Seq {
			t.Errorf("request %d: %+v, want %+v", i, req, want)
		}
	}
}

// Commands are followed through broken connections, noise and repeats, and only their end ends it.
func TestCommands(t *testing.T) {
	t.Parallel()
	connections := 0
	f := newFar(t, func(w http.ResponseWriter, r *http.Request) {
		connections++ // one at a time
		if r.Header.Get("Authorization") != "Bearer token" {
			t.Error("no token")
		}
		switch connections {
		case 1:
			problem(w, http.StatusServiceUnavailable, true)
		case 2:
			_, _ = io.WriteString(w, ": hello\n\nevent: command\nid: 1\ndata: {\"id\":1,\ndata: \"kind\":\"follow_up\",\"text\":\"one\"}\n\ndata: {garbage\n\ndata: {\"id\":0}\n\ndata: {\"id\":9")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case 3:
			_, _ = io.WriteString(w, "data: {\"id\":1,\"kind\":\"follow_up\",\"text\":\"one\"}\n\ndata: {\"id\":2,\"kind\":\"cancel\"}\n\n")
		default:
			problem(w, http.StatusConflict, false)
		}
	})
	var got []int64
	err := f.client.Commands(t.Context(), func(c api.Command) { got = append(got, c.Id) })
	if !errors.Is(err, link.ErrOver) || !slices.Equal(got, []int64{1, 1, 2}) {
		t.Errorf("%v, %v", got, err)
	}
}

// Deltas are joined, cut at runes, and never make their producer wait; offsets tell what was lost.
func TestDeltas(t *testing.T) {
	t.Parallel()
	got := make(chan []api.Delta, 100)
	f := newFar(t, func(w http.ResponseWriter, r *http.Request) {
		var req api.RunnerDeltasRequest
		_ = json.NewDecoder(r.Body).Decode(&req)
		got <- req.Deltas
		w.WriteHeader(http.StatusNoContent)
	})
	d := link.NewDeltas(f.client)
	text := strings.Repeat("é", 20<<10)
	for _, piece := range []string{"a", "b", "", text} {
		d.Put(api.Delta{Key: "k", Kind: api.DeltaKindText, Text: piece})
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	var whole strings.Builder
	for whole.Len() < len(text)+2 {
		for _, piece := range <-got {
			if piece.Offset != int64(whole.Len()) || strings.ContainsRune(piece.Text, '\uFFFD') {
				t.Errorf("offset %d at %d", piece.Offset, whole.Len())
			}
			whole.WriteString(piece.Text)
		}
	}
	if whole.String() != "ab"+text {
		t.Error("the text changed on its way")
	}
	// More than fits: the oldest goes, and the offset says so.
	for range 20 {
		d.Put(api.Delta{Key: "long", Kind: api.DeltaKindOutput, Text: strings.Repeat("x", 32<<10)})
	}
	d.Finish("k")
	d.Put(api.Delta{Key: "k", Kind: api.DeltaKindText, Text: "again"})
	for {
		all := <-got
		if last := all[len(all)-1]; last.Key == "k" {
			if last.Offset != 0 || last.Text != "again" {
				t.Errorf("after the end: %+v", last)
			}
			break
		}
	}
	cancel()
	<-ended
}

// The run token goes to the server and nowhere else.
func TestDownloadKeepsTheToken(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token left")
		}
		_, _ = io.WriteString(w, "0123456789")
	}))
	defer elsewhere.Close()
	f := newFar(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			t.Error("no token")
		}
		_, _ = io.WriteString(w, "0123456789")
	})
	for link, limit := range map[string]int64{elsewhere.URL + "/x": 10, "/blob/1": 10} {
		var b strings.Builder
		if err := f.client.Download(t.Context(), link, limit, func() (io.Writer, error) { b.Reset(); return &b, nil }); err != nil || b.String() != "0123456789" {
			t.Errorf("%s: %q, %v", link, &b, err)
		}
	}
	err := f.client.Download(t.Context(), "/blob/1", 9, func() (io.Writer, error) { return io.Discard, nil })
	if api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
		t.Errorf("larger than allowed: %v", err)
	}
}
