package run_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

func newFast(b *testing.B) *run.Service {
	b.Helper()
	db := storetest.Open(b, store.Options{})
	runs := store.NewRuns(db)
	blobs, err := blob.New(blob.Config{Store: store.NewBlobs(db), Log: slog.New(slog.DiscardHandler), URL: "file://" + b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	s, err := run.NewService(run.Config{
		Store: runs, History: runs, Log: store.NewSessions(db), Leases: store.NewDispatch(db),
		Environments: store.NewEnvironments(db), Models: models{}, Blobs: blobs, Uploads: store.NewUploads(db),
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkCreate is a durable run, 16 callers per processor at once.
func BenchmarkCreate(b *testing.B) {
	s := newFast(b)
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := s.Create(context.Background(), ada, api.RunAgentRequest{Prompt: "Mend the build."}, api.RunSourceTypeAPI); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkLife is a run from its creation to its end with four entries, 16 per processor at once.
func BenchmarkLife(b *testing.B) {
	s := newFast(b)
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := live(s); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func live(s *run.Service) error {
	ctx := context.Background()
	r, _, err := s.Create(ctx, ada, api.RunAgentRequest{Prompt: "Mend the build."}, api.RunSourceTypeAPI)
	if err != nil {
		return err
	}
	_, x, err := s.Assign(ctx, r.ID, run.Placement{ExecutionID: r.ID + "x", Host: "local", LeaseUntil: time.Now().Add(time.Minute)})
	if err != nil {
		return err
	}
	tok := token(r, x)
	if err := s.Claim(ctx, r.ID, x.ID, time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, _, err := s.Start(ctx, tok, api.RunnerStartRequest{}); err != nil {
		return err
	}
	for i, report := range []api.RunnerReport{{State: api.RunStateINPROGRESS}, {}, {State: api.RunStateSUCCEEDED}} {
		if _, err := s.Append(ctx, tok, api.RunnerAppendRequest{FirstIndex: int64(i), Entries: messages("said"), Report: report}); err != nil {
			return err
		}
	}
	return s.End(ctx, tok, api.RunnerEndRequest{Reason: "completed"})
}
