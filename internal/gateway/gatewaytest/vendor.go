// Package gatewaytest is a model vendor on loopback for tests: it speaks Anthropic Messages, OpenAI
// Responses and Chat Completions, streaming and not, with answers played from scripts, and
// misbehaves on demand. It checks requests as a vendor would: key, version, content type.
package gatewaytest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cadrehq/cadre/internal/gateway/scripted"
	"github.com/cadrehq/cadre/internal/gateway/wire"
)

// Fault is one way for a vendor to fail. The zero value is no fault.
type Fault struct {
	Status     int    // answer this error status
	RetryAfter string // with this header
	Body       string // and this body, instead of one in the wire's shape

	Reset   bool // break the connection instead of answering
	Silence bool // take the request and answer nothing

	FirstEvent string // begin the stream with this event, and end it there

	CutAfter   int // break the connection after this many events
	EndAfter   int // end the stream in order, but after this many events
	StallAfter int // send no more after this many events, and keep the connection
}

// Request is what a vendor got to see.
type Request struct {
	Path   string
	Header http.Header
	Body   string
}

// Vendor is a model vendor. Its methods may be called while it serves.
type Vendor struct {
	URL string // without an API version
	Key string // required of requests; empty: none is

	model   *scripted.Model
	aborted chan struct{}

	mu       sync.Mutex
	faults   []Fault
	split    int
	requests []Request
}

// New starts a vendor that plays the given scripts (see package scripted) and whatever scripts the
// prompts hold. It ends with the test.
func New(tb testing.TB, key, scripts string) *Vendor {
	tb.Helper()
	lib := scripted.NewLibrary()
	if scripts != "" {
		parsed, err := scripted.Parse([]byte(scripts))
		if err != nil {
			tb.Fatal(err)
		}
		for i := range parsed {
			if parsed[i].Name == "" && parsed[i].Match == "" {
				parsed[i].Name = "default"
			}
		}
		lib = scripted.NewLibrary(parsed...)
	}
	v := &Vendor{Key: key, model: scripted.New(lib, "No script."), aborted: make(chan struct{}, 64)}
	srv := httptest.NewServer(v)
	tb.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	v.URL = srv.URL
	return v
}

// Fail queues faults: each request takes the next one.
func (v *Vendor) Fail(faults ...Fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults = append(v.faults, faults...)
}

// Split makes streams leave in pieces of n bytes, wherever that cuts them.
func (v *Vendor) Split(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.split = n
}

// Requests returns all requests so far.
func (v *Vendor) Requests() []Request {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.requests)
}

// Aborted receives a value whenever a caller left before a faulty answer ended.
func (v *Vendor) Aborted() <-chan struct{} { return v.aborted }

func (v *Vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, scripted.MaxBody))
	if err != nil {
		return // the caller is gone
	}
	v.mu.Lock()
	v.requests = append(v.requests, Request{r.URL.Path, r.Header.Clone(), string(body)})
	var f Fault
	if len(v.faults) > 0 && r.Method == http.MethodPost {
		f, v.faults = v.faults[0], v.faults[1:]
	}
	split := v.split
	v.mu.Unlock()

	call, ok := wire.CallOf(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	if e := v.check(r, call); e != nil {
		e.Write(w, call.Wire())
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if f == (Fault{}) && split == 0 {
		v.model.ServeHTTP(w, r)
		return
	}
	defer v.noteAborted(r)
	if v.fail(w, r, call, f) {
		return
	}
	rec := httptest.NewRecorder()
	v.model.ServeHTTP(rec, r)
	v.replay(w, r, rec, f, split)
}

// check refuses what a vendor would refuse.
func (v *Vendor) check(r *http.Request, call wire.Call) *wire.Error {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if call.Wire() == wire.CallMessages.Wire() {
		key = r.Header.Get("X-Api-Key")
		if r.Header.Get("Anthropic-Version") == "" {
			return &wire.Error{Status: http.StatusBadRequest, Message: "anthropic-version: header is required"}
		}
	}
	if v.Key != "" && key != v.Key {
		return &wire.Error{Status: http.StatusUnauthorized, Message: "invalid key: " + key}
	}
	if r.Method == http.MethodPost && r.Header.Get("Content-Type") != "application/json" {
		return &wire.Error{Status: http.StatusBadRequest, Message: "content type must be application/json"}
	}
	return nil
}

// fail plays the faults that need no answer of the model.
func (v *Vendor) fail(w http.ResponseWriter, r *http.Request, call wire.Call, f Fault) bool {
	switch {
	case f.Reset:
		panic(http.ErrAbortHandler)
	case f.Silence:
		v.hang(r)
	case f.FirstEvent != "":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, f.FirstEvent)
	case f.Status != 0:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		if f.Body == "" {
			wire.Error{Status: f.Status, Message: "a fault was asked for"}.Write(w, call.Wire())
			break
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body)
	default:
		return false
	}
	return true
}

// hangLimit ends what a test forgot.
const hangLimit = time.Minute

func (v *Vendor) hang(r *http.Request) {
	limit := time.NewTimer(hangLimit)
	defer limit.Stop()
	select {
	case <-r.Context().Done():
	case <-limit.C:
	}
}

// noteAborted tells the test if the caller left, at whatever point of a faulty answer that was.
func (v *Vendor) noteAborted(r *http.Request) {
	if r.Context().Err() == nil {
		return
	}
	select {
	case v.aborted <- struct{}{}:
	default: // nobody counts
	}
}

// replay sends a recorded answer, with its faults.
func (v *Vendor) replay(w http.ResponseWriter, r *http.Request, rec *httptest.ResponseRecorder, f Fault, split int) {
	for k, vs := range rec.Header() {
		w.Header()[k] = vs
	}
	w.WriteHeader(rec.Code)
	var cut wire.Splitter
	_, _ = cut.Write(rec.Body.Bytes())
	n := 0
	for ev := cut.Next(); ev != nil; ev = cut.Next() {
		if send(w, ev, split) != nil {
			return
		}
		switch n++; n {
		case f.CutAfter:
			_ = send(w, []byte("event: half\nda"), split)
			panic(http.ErrAbortHandler)
		case f.EndAfter:
			return
		case f.StallAfter:
			v.hang(r)
			return
		}
	}
	if f.CutAfter > 0 { // not a stream: break within the body
		_ = send(w, cut.Rest()[:len(cut.Rest())/2], split)
		panic(http.ErrAbortHandler)
	}
	_ = send(w, cut.Rest(), split)
}

func send(w http.ResponseWriter, b []byte, split int) error {
	if split <= 0 {
		split = len(b)
	}
	for len(b) > 0 {
		n := min(split, len(b))
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		b = b[n:]
	}
	return nil
}
