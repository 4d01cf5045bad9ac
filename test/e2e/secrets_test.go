package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway/gatewaytest"
	"github.com/cadrehq/cadre/internal/secret"
	"github.com/cadrehq/cadre/internal/server"
	"github.com/cadrehq/cadre/internal/store/storetest"
	"github.com/cadrehq/cadre/internal/worker"
	"github.com/cadrehq/cadre/internal/worker/backend/direct"
)

// canaries are values that must be seen nowhere, by the name of their secret.
var canaries = map[string]string{
	"TEAM_TOKEN":   `canary-team "quoted" <x>&\ü-7f3a9c`,
	"MY_TOKEN":     "canary-mine-51c2e8d0aa",
	"SETUP_TOKEN":  "canary-setup-9d14c07be2",
	"KEY_FILE":     "-----BEGIN CANARY-----\nCanaryFileLineOne0123456789abcdef\nCanaryFileLineTwo0123456789abcdef\n-----END CANARY-----\n",
	"ANTHROPIC":    "sk-ant-canary-4b8f1e6d",
	"SHORT_LISTED": "canary-unlisted-c33d",
}

// leaks prints, encodes and writes the secrets in every way at hand.
const leaks = `
set +e
env; echo "plain $TEAM_TOKEN $MY_TOKEN"; cat "$KEY_FILE"; cat -n "$KEY_FILE"; ls -l "$KEY_FILE"
for v in "$TEAM_TOKEN" "$MY_TOKEN" "$(cat "$KEY_FILE")"; do
  printf '%s' "$v" | base64; printf 'x%s' "$v" | base64 -w0; echo; printf 'xx%s' "$v" | base64 -w0; echo
  printf '%s' "$v" | od -An -tx1 | tr -d ' \n'; echo
done
printf '%s' "$MY_TOKEN" | cut -c1-9 | tr -d '\n'; sleep 0.2; printf '%s' "$MY_TOKEN" | cut -c10-
echo "$MY_TOKEN" > leaked.txt; printf '{"k":"%s"}' "$MY_TOKEN" > leaked.json; cp "$KEY_FILE" copied.pem; echo harmless > kept.txt
for p in /proc/[0-9]*; do tr '\0' ' ' < $p/cmdline; done 2>/dev/null | grep -c "c[a]nary"
echo "setup:${SETUP_TOKEN:-none} unlisted:${SHORT_LISTED:-none} vendor:${ANTHROPIC:-none}"
`

// TestCanaries: whatever a run's agent does with what it was given, none of it is seen anywhere.
func TestCanaries(t *testing.T) {
	t.Parallel()
	for engine, dsn := range map[string]func(*testing.T) string{
		"sqlite":   func(*testing.T) string { return "" },
		"postgres": func(t *testing.T) string { return storetest.Postgres(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			vendor := gatewaytest.New(t, canaries["ANTHROPIC"], "")
			w := newWorld(t, func(c *server.Config) {
				c.DatabaseURL, c.Models.Anthropic.BaseURL = dsn(t), vendor.URL
			})
			root := filepath.Join(t.TempDir(), "work")
			w.work(func(_ *worker.Config, d *direct.Config) { d.Root = root })
			w.storeCanaries()
			env := w.environment(api.CloudEnvironmentConfig{
				SetupCommands: []string{`test "$(printf %s "$SETUP_TOKEN" | wc -c)" = 23 && test -z "$TEAM_TOKEN" && echo "setup has $SETUP_TOKEN" && echo "$SETUP_TOKEN" > from-setup.txt`},
				Secrets: &[]api.SecretRef{
					{Name: "TEAM_TOKEN", Phases: []api.SecretPhase{api.SecretPhaseAgent}}, {Name: "MY_TOKEN"}, {Name: "KEY_FILE"}, {Name: "GONE"},
					{Name: "SETUP_TOKEN", Phases: []api.SecretPhase{api.SecretPhaseSetup}},
				},
			})
			id := w.start(script(
				say("Leak.", bash(leaks)),
				say("Show.", call("read_file", map[string]any{"path": "leaked.txt"}), call("read_file", map[string]any{"path": "copied.pem"})),
				say("Steal.", bash(`curl -s -X POST -H "Authorization: Bearer $CADRE_API_KEY" -H "Content-Type: application/json" -d '{"phase":"setup"}' "$CADRE_SERVER_URL/api/v1/runner/secrets"; curl -s -H "Authorization: Bearer $CADRE_API_KEY" "$CADRE_SERVER_URL/api/v1/secrets"`)),
				say("Done."),
			), in(env), func(r *api.RunAgentRequest) {
				r.Config.ModelId = "claude-sonnet-5-5"
				r.Config.HarnessAuthSecrets.ClaudeAuthSecretName = "ANTHROPIC"
			})
			run := w.finish(id)
			out := w.results(id)
			if len(out) != 4 {
				t.Fatalf("%d results:\n%s", len(out), w.dump(id))
			}
			contains(t, "what the agent saw", out[0].Output, "plain [redacted] [redacted]", "-rw-------", "\n0\n", "setup:none unlisted:none vendor:none")
			contains(t, "what it could not have", out[3].Output, "operation_not_supported", "not_authorized")
			if requests := vendor.Requests(); len(requests) < 4 || requests[0].Header.Get("X-Api-Key") != canaries["ANTHROPIC"] {
				t.Errorf("the vendor saw %d requests", len(requests))
			} else {
				for _, r := range requests {
					clean(t, "a request to the vendor", []byte(r.Body), "ANTHROPIC", "SETUP_TOKEN", "SHORT_LISTED")
				}
			}
			if len(run.UnresolvedSecrets) != 1 || run.UnresolvedSecrets[0] != "GONE" || len(run.Secrets) != 5 {
				t.Errorf("the run shows %+v and %v", run.Secrets, run.UnresolvedSecrets)
			}
			w.checkUses(id)
			w.checkResponses(id)
			w.stop()
			w.checkKept(root)
			if u := w.cfg.DatabaseURL; u != "" {
				clean(t, "the database", dump(t, u))
			}
		})
	}
}

// storeCanaries makes a secret of each: the admin's own or the team's.
func (w *world) storeCanaries() {
	w.t.Helper()
	own := false
	for name, value := range canaries {
		req := api.CreateSecretRequest{Name: name, Value: api.SecretValue{Value: value}}
		switch name {
		case "MY_TOKEN":
			req.Team = &own
		case "KEY_FILE":
			req.Type, req.FileName = api.SecretTypeFILE, "key.pem"
		case "ANTHROPIC":
			req.Type, req.Value = api.SecretTypeANTHROPICAPIKEY, api.SecretValue{ApiKey: value}
		}
		if _, err := w.CreateSecret(w.ctx, req); err != nil {
			w.t.Fatal(err)
		}
	}
}

// checkUses: who received what, in which phase.
func (w *world) checkUses(id string) {
	w.t.Helper()
	want := map[string]string{
		"TEAM_TOKEN": "agent", "MY_TOKEN": "agent setup", "KEY_FILE": "agent setup", "SETUP_TOKEN": "setup", "ANTHROPIC": "model", "SHORT_LISTED": "",
	}
	list, err := w.Secrets(w.ctx)
	if err != nil || len(list) != len(want) {
		w.t.Fatalf("%d secrets: %v", len(list), err)
	}
	for _, s := range list {
		page, err := w.SecretUses(w.ctx, s.Uid, "", 0)
		if err != nil {
			w.t.Fatal(err)
		}
		phases := map[string]bool{}
		for _, u := range page.Uses {
			phases[string(u.Phase)] = true
			if u.RunId != id || u.Execution != 1 || u.At.IsZero() {
				w.t.Errorf("%s: %+v", s.Name, u)
			}
		}
		var got []string
		for _, p := range []string{"agent", "model", "setup"} {
			if phases[p] {
				got = append(got, p)
			}
		}
		if strings.Join(got, " ") != want[s.Name] {
			w.t.Errorf("%s was used for %v, want %q", s.Name, got, want[s.Name])
		}
	}
}

// checkResponses asks for everything there is to see of a run.
func (w *world) checkResponses(id string) {
	w.t.Helper()
	for _, path := range []string{
		"/secrets", "/agent/runs", "/agent/runs/" + id, "/agent/runs/" + id + "/entries?limit=1000", "/agent/runs/" + id + "/timeline",
		"/agent/runs/" + id + "/conversation", "/agent/runs/" + id + "/transcript", "/agent/runs/" + id + "/usage", "/agent/environments",
	} {
		req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, w.url+api.BasePath+path, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+w.key)
		rsp, err := http.DefaultClient.Do(req)
		if err != nil {
			w.t.Fatal(err)
		}
		body, err := io.ReadAll(rsp.Body)
		if rsp.Body.Close(); err != nil || rsp.StatusCode != http.StatusOK {
			w.t.Errorf("GET %s: %d, %v", path, rsp.StatusCode, err)
		}
		clean(w.t, path, body)
	}
	clean(w.t, "the log", []byte(w.log.String()))
}

// checkKept looks into every file that the server and the worker leave.
func (w *world) checkKept(work string) {
	w.t.Helper()
	files := 0
	for _, root := range []string{w.cfg.DataDir, work} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			clean(w.t, path, b)
			if z, err := gzip.NewReader(bytes.NewReader(b)); err == nil { // a snapshot
				plain, err := io.ReadAll(z)
				if err != nil {
					return err
				}
				contains(w.t, "the snapshot", string(plain), "kept.txt")
				clean(w.t, path, plain)
			}
			return nil
		})
		if err != nil {
			w.t.Error(err)
		}
	}
	if files < 3 {
		w.t.Errorf("only %d files looked into", files)
	}
}

// clean fails the test if a canary is in b, in any form it is likely to take.
func clean(t *testing.T, what string, b []byte, names ...string) {
	t.Helper()
	for name, value := range canaries {
		if len(names) > 0 && !strings.Contains(strings.Join(names, " "), name) {
			continue
		}
		quoted, _ := json.Marshal(value)
		forms := []string{value, string(quoted[1 : len(quoted)-1]), hex.EncodeToString([]byte(value))}
		for i := range 3 {
			text := base64.RawStdEncoding.EncodeToString([]byte("xx"[:i] + value))
			forms = append(forms, text[4:min(len(text)-4, 60)])
		}
		if name == "KEY_FILE" {
			forms = append(forms, "CanaryFileLineOne0123456789abcdef", "CanaryFileLineTwo0123456789abcdef")
		}
		for _, form := range forms {
			if i := bytes.Index(b, []byte(form)); i >= 0 {
				t.Errorf("%s has %s as %q: …%q", what, name, form, b[max(0, i-80):i])
				break
			}
		}
	}
}

// dump is every row of a PostgreSQL database as text.
func dump(t *testing.T, dsn string) []byte {
	t.Helper()
	ctx := context.Background()
	db, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(ctx)
	rows, err := db.Query(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 10 {
		t.Fatalf("%d tables: %v", len(tables), err)
	}
	var all bytes.Buffer
	for _, table := range tables {
		rows, err := db.Query(ctx, "SELECT t::text FROM "+pgx.Identifier{table}.Sanitize()+" t")
		if err != nil {
			t.Fatal(err)
		}
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(strings.Join(texts, "\n"))
	}
	return all.Bytes()
}

// TestServerWithoutItsMasterKey: a server whose key is gone refuses to start, and says how to go on.
func TestServerWithoutItsMasterKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.storeCanaries()
	w.stop()
	cfg := w.cfg
	cfg.MasterKeys = secret.NewMasterKey()
	_, err := server.New(w.ctx, cfg)
	if err == nil || !strings.Contains(err.Error(), "CADRE_MASTER_KEY") {
		t.Fatalf("started with another key: %v", err)
	}
	cfg.MasterKeys = ""
	srv, err := server.New(w.ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
}
