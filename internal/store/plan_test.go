package store

import (
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/dispatch"
	"github.com/cadrehq/cadre/internal/identity"
)

// Tables that grow with the number of runs: no fixed read may go through all of one. Only small
// indexes may be read from end to end.
var growing = regexp.MustCompile(`^SCAN (r|x|runs|run_specs|run_metadata|executions|entries|commands|requests|messages|client_events|lifecycle_events|artifacts|blobs|uploads|external_conversations|usage_calls|api_keys|signins|invitations|device_grants|m|s|schedules|schedule_ticks|environments|runners|prompts|mcp_servers|rules|applied|data_keys|d|deletions|secrets|secret_uses|run_secrets)\b`)

// small are partial indexes that hold nothing but what is asked for.
var small = regexp.MustCompile(`INDEX (executions_unclaimed|schedules_due|schedules_held|uploads_open)\b`)

// TestPlans asks SQLite how it carries out every fixed read.
func TestPlans(t *testing.T) {
	db, err := Open(t.Context(), Options{DSN: filepath.Join(t.TempDir(), "cadre.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, now := t.Context(), time.Now()
	runs, queue, id := NewRuns(db), NewDispatch(db), "x"
	_, _ = runs.Get(ctx, id) // the outcomes do not matter: there is nothing to find
	_, _ = runs.Executions(ctx, id)
	_, _ = runs.Events(ctx, id)
	_, _ = runs.Commands(ctx, id)
	_, _ = runs.Requests(ctx, id)
	_, _ = runs.Artifact(ctx, id)
	_, _ = runs.Working(ctx, id, 1)
	_, _ = NewSessions(db).Entries(ctx, id, 0, 1)
	_, _ = NewSessions(db).Head(ctx, id)
	_, _ = NewEvents(db).After(ctx, 0, 1)
	_, _ = NewEvents(db).Last(ctx)
	_, _ = NewEvents(db).Of(ctx, make([]string, 41), 0, 1, 1)
	_, _ = runs.LastEvent(ctx, id, "x")
	_, _ = runs.ClientEvents(ctx, id)
	_, _ = NewMail(db).Inbox(ctx, id, false, now, 1)
	_, _ = NewMail(db).Inbox(ctx, id, true, now, 1)
	_, _ = queue.Waiting(ctx, []dispatch.Place{{Host: id, TeamUID: id}}, map[string]int{id: 1}, 1)
	_, _ = queue.Queued(ctx, now, dispatch.Waiting{}, 1)
	_, _ = queue.Expired(ctx, now, 1)
	_, _ = queue.Unclaimed(ctx, 1)
	_, _ = queue.Latest(ctx, id)
	_, _ = queue.Overdue(ctx, now, 1)
	_, _ = NewLedger(db).Calls(ctx, id)
	_, _ = NewSpendings(db).Spent(ctx, identity.Owner{}, api.UsageByDay, now, now)
	_, _ = NewEnvironments(db).LastRuns(ctx, []string{id})
	_, _ = NewEnvironments(db).LastOfSkills(ctx, []identity.Owner{{}}, []string{id})
	_, _ = NewIdentity(db).KeyByHash(ctx, nil)
	_, _ = NewIdentity(db).SignInByHash(ctx, nil)
	_, _, _ = NewIdentity(db).User(ctx, id)
	_, _ = NewBlobs(db).Get(ctx, id)
	uploads := NewUploads(db)
	_, _ = uploads.Get(ctx, id)
	_, _ = uploads.OfRun(ctx, id, "transcript")
	_, _ = uploads.OfOwner(ctx, id, "", 1)
	_, _ = uploads.OfOwner(ctx, id, id, 1)
	_, _ = uploads.Expired(ctx, now, 1)
	prompts := NewPrompts(db)
	_, _ = prompts.Get(ctx, id)
	_, _ = prompts.List(ctx, []string{id}, id)
	_, _ = prompts.Named(ctx, []string{id}, id, id)
	_, _ = NewEnvironments(db).List(ctx, []string{id}, id)
	_, _ = NewRules(db).Of(ctx, identity.Owner{Type: api.ScopeTypeTeam, UID: id})
	_, _ = NewApplied(db).Get(ctx, identity.Owner{Type: api.ScopeTypeTeam, UID: id}, id)
	schedules := NewSchedules(db)
	_, _ = schedules.Get(ctx, id)
	_, _ = schedules.NextDue(ctx, now)
	_, _ = schedules.OpenRuns(ctx, id, 1)
	_, _, _ = schedules.Outcomes(ctx, id, "", 1)
	_, _ = schedules.Release(ctx, now)
	_, _ = NewBlobs(db).ByRun(ctx, id)
	secrets := NewSecrets(db)
	_, _ = secrets.Get(ctx, id)
	_, _ = secrets.Received(ctx, id)
	_, _, _ = secrets.Uses(ctx, id, "", 1)
	keyring := NewKeyring(db)
	_, _ = keyring.DataKey(ctx, identity.Owner{})
	_, _ = keyring.Under(ctx, id, identity.Owner{}, 1)
	_, _ = keyring.CountUnder(ctx, id)
	deletions := NewDeletions(db)
	_, _ = deletions.Blobs(ctx, id)
	_, _ = deletions.Erase(ctx, id)
	_, _ = deletions.eraseRows(ctx, id, "entries", "seq", "length(data)")
	for _, l := range left {
		_, _ = deletions.eraseRows(ctx, id, l.table, l.order, l.bytes)
	}

	queries := map[string]int{ // those with a varying number of arguments
		selectMessages + "id IN ($1, $2)":                                             2,
		selectHeads + "id IN ($1, $2)":                                                2,
		selectArtifacts + "WHERE run_id IN ($1, $2) ORDER BY run_id, created_at, uid": 2,
		"SELECT parent_id, id FROM runs WHERE parent_id <> '' AND parent_id IN ($1, $2) ORDER BY parent_id, created_at, id":    2,
		selectSecrets + "(owner_type = $1 AND owner_uid = $2 OR owner_type = $3 AND owner_uid = $4) ORDER BY name, owner_type": 4,
		selectLeases + "x.id IN ($1, $2) ORDER BY x.id":                                                                        2,
	}
	db.stmts.Range(func(query, _ any) bool {
		queries[query.(string)] = len(regexp.MustCompile(`\$\d+`).FindAllString(query.(string), -1))
		return true
	})
	if len(queries) < 20 {
		t.Fatalf("only %d queries seen", len(queries))
	}
	for query, n := range queries {
		args := make([]any, n)
		steps, err := all(func(row scanner) (detail string, err error) {
			var id, parent, unused int
			err = row.Scan(&id, &parent, &unused, &detail)
			return detail, err
		})(db.queryOnce(ctx, "EXPLAIN QUERY PLAN "+query, args...))
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for _, step := range steps {
			if growing.MatchString(step) && !small.MatchString(step) {
				t.Errorf("%s\n\t%q", query, steps)
			}
		}
	}
}
