package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

var (
	ada    = identity.Actor{Kind: identity.KindUser, UID: "u-ada", Name: "Ada", TeamUID: "t-1", Role: identity.RoleMember}
	bob    = identity.Actor{Kind: identity.KindUser, UID: "u-bob", Name: "Bob", TeamUID: "t-1", Role: identity.RoleMember}
	eve    = identity.Actor{Kind: identity.KindUser, UID: "u-eve", Name: "Eve", TeamUID: "t-2", Role: identity.RoleAdmin}
	reader = identity.Actor{Kind: identity.KindUser, UID: "u-vic", Name: "Vic", TeamUID: "t-1", Role: identity.RoleViewer}
)

// models knows two models.
type models struct{}

func (models) Resolve(id string, _ api.HarnessType, _ ...api.SecretType) (string, error) {
	switch id {
	case "":
		return "scripted", nil
	case "scripted", "big":
		return id, nil
	}
	return "", api.Invalid("config.model_id", "no model %q", id)
}

// bench is a service on a real SQLite store and real blobs, with a clock of its own.
type bench struct {
	*testing.T
	ctx      context.Context
	s        *run.Service
	runs     store.Runs
	sessions store.Sessions
	envs     store.Environments
	blobs    *blob.Service
	uploads  store.Uploads

	mu      sync.Mutex
	now     time.Time
	notices []run.Notice
	news    chan struct{} // closed and replaced with every notice
}

func newBench(t *testing.T, change func(*run.Config)) *bench {
	t.Helper()
	b := &bench{T: t, ctx: t.Context(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), news: make(chan struct{})}
	db := storetest.Open(t, store.Options{OnCommit: func(n []run.Notice) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.notices = append(b.notices, n...)
		close(b.news)
		b.news = make(chan struct{})
	}})
	b.runs, b.sessions, b.envs = store.NewRuns(db), store.NewSessions(db), store.NewEnvironments(db)
	b.uploads = store.NewUploads(db)
	var err error
	b.blobs, err = blob.New(blob.Config{Store: store.NewBlobs(db), Uploads: b.uploads, Now: b.clock, Log: slog.New(slog.DiscardHandler), URL: "file://" + t.TempDir()})
	b.ok(err)
	cfg := run.Config{
		Store: b.runs, History: b.runs, Log: b.sessions, Leases: store.NewDispatch(db), Environments: b.envs,
		Models: models{}, Blobs: b.blobs, Uploads: b.uploads, PublicURL: "https://cadre.example/", Now: b.clock,
	}
	if change != nil {
		change(&cfg)
	}
	b.s, err = run.NewService(cfg)
	b.ok(err)
	return b
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// hears waits for a notice that matches. Notices come after the commit, not before its caller goes on.
func (b *bench) hears(what string, match func(run.Notice) bool) {
	b.Helper()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for {
		b.mu.Lock()
		found, news := slices.ContainsFunc(b.notices, match), b.news
		b.mu.Unlock()
		if found {
			return
		}
		select {
		case <-news:
		case <-late.C:
			b.Fatalf("%s: no such notice in %+v", what, b.notices)
		}
	}
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) create(req api.RunAgentRequest) run.Run {
	b.Helper()
	if req.Prompt == "" {
		req.Prompt = "Mend the build."
	}
	r, _, err := b.s.Create(b.ctx, ada, req, api.RunSourceTypeAPI)
	b.ok(err)
	return r
}

func (b *bench) get(id string) run.Run {
	b.Helper()
	r, err := b.runs.Get(b.ctx, id)
	b.ok(err)
	return r
}

// assign places a run and returns its runner's token.
func (b *bench) assign(r run.Run) identity.Actor {
	b.Helper()
	_, x, err := b.s.Assign(b.ctx, r.ID, run.Placement{
		ExecutionID: b.name(r), Host: "local", Worker: "conn-1", LeaseUntil: b.clock().Add(18 * time.Second),
	})
	b.ok(err)
	return token(r, x)
}

func (b *bench) name(r run.Run) string {
	return r.ID[24:] + "-" + string(rune('a'+b.get(r.ID).Execution))
}

func token(r run.Run, x run.Execution) identity.Actor {
	return identity.Actor{Kind: identity.KindRun, UID: r.Executor.Uid, TeamUID: r.TeamUID, RunID: r.ID, ExecutionID: x.ID, Execution: x.Number}
}

// working brings a run to INPROGRESS.
func (b *bench) working(r run.Run) identity.Actor {
	b.Helper()
	tok := b.assign(r)
	b.ok(b.s.Claim(b.ctx, r.ID, tok.ExecutionID, b.clock().Add(18*time.Second)))
	_, _, err := b.s.Start(b.ctx, tok, api.RunnerStartRequest{Version: "1", Backend: "direct"})
	b.ok(err)
	b.report(tok, api.RunnerReport{State: api.RunStateINPROGRESS})
	return tok
}

// in returns a run in the wanted state, and the token of its execution if it has one.
func (b *bench) in(state api.RunState, live bool) (run.Run, identity.Actor) {
	b.Helper()
	r := b.create(api.RunAgentRequest{})
	var tok identity.Actor
	switch state {
	case api.RunStateQUEUED:
	case api.RunStatePENDING:
		tok = b.assign(r)
	case api.RunStateCLAIMED:
		tok = b.assign(r)
		b.ok(b.s.Claim(b.ctx, r.ID, tok.ExecutionID, b.clock()))
	case api.RunStateCANCELLED:
		b.working(r)
		_, err := b.s.Cancel(b.ctx, ada, r.ID)
		b.ok(err)
	default:
		tok = b.working(r)
		if state != api.RunStateINPROGRESS {
			b.report(tok, api.RunnerReport{State: state, Waiting: waitingIn(state)})
		}
	}
	if !live && b.get(r.ID).Live {
		b.ok(b.s.End(b.ctx, tok, api.RunnerEndRequest{Reason: "completed"}))
	}
	r = b.get(r.ID)
	if r.State != state {
		b.Fatalf("made a %s run, want %s", r.State, state)
	}
	return r, tok
}

func waitingIn(state api.RunState) api.WaitingCode {
	if state == api.RunStateBLOCKED {
		return api.WaitingCodeInterrupted
	}
	return ""
}

// append sends entries in order, with a report if its state is set.
func (b *bench) append(tok identity.Actor, report api.RunnerReport, data ...api.EntryData) (run.Changed, error) {
	b.Helper()
	x := b.execution(tok)
	req := api.RunnerAppendRequest{FirstIndex: x.NextIndex, Report: report}
	for _, d := range data {
		req.Entries = append(req.Entries, api.MakeEntry(b.clock(), d))
	}
	return b.s.Append(b.ctx, tok, req)
}

func (b *bench) report(tok identity.Actor, r api.RunnerReport, data ...api.EntryData) run.Changed {
	b.Helper()
	done, err := b.append(tok, r, data...)
	b.ok(err)
	return done
}

func (b *bench) execution(tok identity.Actor) run.Execution {
	b.Helper()
	all, err := b.runs.Executions(b.ctx, tok.RunID)
	b.ok(err)
	for _, x := range all {
		if x.ID == tok.ExecutionID {
			return x
		}
	}
	return run.Execution{}
}

func (b *bench) entries(id string) []api.Entry {
	b.Helper()
	all, err := b.sessions.Entries(b.ctx, id, 0, 1000)
	b.ok(err)
	for i, e := range all {
		if e.Seq != int64(i)+1 {
			b.Fatalf("entry %d has number %d", i+1, e.Seq)
		}
	}
	return all
}

func (b *bench) types(id string) []api.EntryType {
	b.Helper()
	var types []api.EntryType
	for _, e := range b.entries(id) {
		types = append(types, e.Type)
	}
	return types
}

// wantState fails unless the run is in the state with the waiting code.
func (b *bench) wantState(id string, state api.RunState, code api.WaitingCode) run.Run {
	b.Helper()
	r := b.get(id)
	if r.State != state || r.Waiting.Code != code {
		b.Fatalf("run is %s waiting %q (%s), want %s waiting %q", r.State, r.Waiting.Code, r.Waiting.Message, state, code)
	}
	return r
}

// wantFailure fails unless err is a failure with the code that names the field.
func wantFailure(t testing.TB, what string, err error, code api.PlatformErrorCode, field string) {
	t.Helper()
	var f *api.Failure
	if !errors.As(err, &f) || f.Code != code || f.Field != field {
		t.Errorf("%s: want %s on %q, got %v (%+v)", what, code, field, err, f)
	}
}

func data[T api.EntryData](t testing.TB, e api.Entry) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(e.Data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func last[T any](s []T) T { return slices.Clone(s)[len(s)-1] }
