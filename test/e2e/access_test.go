package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/store"
)

// newcomer is a user of a team of their own, and their key.
func (w *world) newcomer(name string) string {
	w.t.Helper()
	db, err := store.Open(w.ctx, store.Options{DSN: "sqlite:" + w.cfg.DataDir + "/cadre.db", Logger: w.cfg.Log})
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	now := time.Now().UTC()
	user, team := "user-"+name, "team-"+name
	err = db.Write(w.ctx, "", func(tx *store.Tx) error {
		for _, row := range []struct {
			query string
			args  []any
		}{
			{"INSERT INTO teams (uid, name, created_at) VALUES ($1, $2, $3)", []any{team, name, now.UnixMicro()}},
			{"INSERT INTO users (uid, name, email, created_at) VALUES ($1, $2, $3, $4)", []any{user, name, name + "@example.invalid", now.UnixMicro()}},
			{"INSERT INTO members (team_uid, user_uid, role) VALUES ($1, $2, $3)", []any{team, user, string(identity.RoleAdmin)}},
		} {
			if _, err := tx.Exec(row.query, row.args...); err != nil {
				return fmt.Errorf("%s: %w", row.query, err)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ids, err := identity.New(w.ctx, identity.Config{Store: store.NewIdentity(db), Log: w.cfg.Log})
	if err != nil {
		w.t.Fatal(err)
	}
	key, _, err := ids.NewKey(w.ctx, identity.User{UID: user}, identity.Team{UID: team}, identity.RoleAdmin, name, time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// TestStrangers: two people of different teams do not learn of each other's runs by any way.
func TestStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	id := w.start(script(say("Secret.", bash("touch x")), say("Done.")), asking, staying)
	request := w.asked(id)
	stranger := w.as(w.newcomer("stranger"))
	ctx := w.ctx
	for what, try := range map[string]func() error{
		"get":          func() error { _, err := stranger.GetRun(ctx, id); return err },
		"entries":      func() error { _, err := stranger.Entries(ctx, id, 0, 0); return err },
		"conversation": func() error { _, err := stranger.RunConversation(ctx, id); return err },
		"timeline":     func() error { _, err := stranger.Timeline(ctx, id); return err },
		"requests":     func() error { _, err := stranger.Requests(ctx, id); return err },
		"artifacts":    func() error { _, err := stranger.Artifacts(ctx, id); return err },
		"usage":        func() error { _, err := stranger.Usage(ctx, id); return err },
		"cancel":       func() error { return stranger.CancelRun(ctx, id) },
		"interrupt":    func() error { _, err := stranger.Interrupt(ctx, id); return err },
		"follow up":    func() error { _, err := stranger.FollowUp(ctx, id, api.RunFollowupRequest{Message: "hi"}); return err },
		"answer": func() error {
			_, err := stranger.Answer(ctx, id, request.Id, api.AnswerRequest{Decision: api.AnswerDecisionAllow})
			return err
		},
		"stream": func() error {
			bounded, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			for _, err := range stranger.Follow(bounded, id, 0) {
				return err
			}
			return nil
		},
	} {
		if err := try(); codeOf(err) != api.PlatformErrorCodeResourceNotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := stranger.CreateRun(ctx, api.RunAgentRequest{Prompt: "x", ParentRunId: id}); codeOf(err) != api.PlatformErrorCodeInvalidRequest {
		t.Errorf("child: %v", err)
	}
	list, err := stranger.ListRuns(ctx, api.ListRunsParams{})
	if err != nil || len(list.Runs) != 0 {
		t.Errorf("listed %d runs, %v", len(list.Runs), err)
	}
	if found, err := stranger.ListRuns(ctx, api.ListRunsParams{Q: "Secret"}); err != nil || len(found.Runs) != 0 {
		t.Errorf("found %d runs, %v", len(found.Runs), err)
	}
	// A worker's host is its team's: the stranger's run waits although that name is served.
	theirs, err := stranger.CreateRun(ctx, api.RunAgentRequest{Prompt: script(say("Mine.")), Config: api.AmbientAgentConfig{ModelId: "scripted"}})
	if err != nil {
		t.Fatal(err)
	}
	w.until("the stranger's run to say that nobody serves it", func() bool {
		run, err := stranger.GetRun(ctx, theirs.RunId)
		return err == nil && run.Waiting.Code == api.WaitingCodeNoWorker
	})
	mine, err := w.ListRuns(ctx, api.ListRunsParams{})
	if err != nil || len(mine.Runs) != 1 || slices.ContainsFunc(mine.Runs, func(r api.RunItem) bool { return r.RunId == theirs.RunId }) {
		t.Errorf("the admin of the other team sees %d runs, %v", len(mine.Runs), err)
	}
	w.answer(id, request.Id, api.AnswerRequest{Decision: api.AnswerDecisionAllow})
	w.reach(id, api.RunStateSUCCEEDED)
}
