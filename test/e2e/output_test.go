package e2e

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
)

// TestAttachments: what is given with a prompt is there for the agent, whatever its name.
func TestAttachments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	content := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	id := w.start(script(say("Read.", bash("find . -type f | sort; sha256sum $(find . -name '*.dat')"))), func(r *api.RunAgentRequest) {
		r.Attachments = []api.AttachmentInput{
			{FileName: "big.dat", MimeType: "application/octet-stream", Data: content},
			{FileName: "../../escape.txt", MimeType: "text/plain", Data: []byte("out?")},
		}
	})
	w.finish(id)
	sum := sha256.Sum256(content)
	out := w.results(id)[0].Output
	contains(t, "the listing", out, hex.EncodeToString(sum[:]), "escape.txt")
	if strings.Contains(out, "..") {
		t.Errorf("a name left its directory: %s", out)
	}
}

// TestArtifacts: a file, a pull request and a plan are found on the run and can be fetched.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	id := w.start(script(
		say("Make.", bash("seq 1 100000 > numbers.txt")),
		say("Report.",
			call("report_artifact", map[string]any{"type": "file", "path": "numbers.txt", "title": "Numbers"}),
			call("report_artifact", map[string]any{"type": "pull_request", "url": "https://example.test/o/r/pull/7", "branch": "fix"}),
			call("report_artifact", map[string]any{"type": "plan", "title": "Plan", "content": "# Steps\n1. One"}),
			call("report_artifact", map[string]any{"type": "file", "path": "../../../etc/passwd"})),
		say("Done."),
	))
	w.finish(id)
	artifacts, err := w.Artifacts(w.ctx, id)
	if err != nil || len(artifacts) != 3 {
		t.Fatalf("artifacts %+v, %v\n%s", artifacts, err, w.dump(id))
	}
	content := map[api.ArtifactType]string{}
	for _, a := range artifacts {
		if a.ArtifactType == api.ArtifactTypePULLREQUEST {
			content[a.ArtifactType] = a.Data.Url
			continue
		}
		whole, err := w.Artifact(w.ctx, cmp.Or(a.Data.ArtifactUid, a.Data.DocumentUid))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if _, err := w.DownloadArtifact(w.ctx, whole, &b); err != nil {
			t.Fatal(err)
		}
		content[a.ArtifactType] = b.String()
	}
	if f := content[api.ArtifactTypeFILE]; !strings.HasPrefix(f, "1\n2\n") || !strings.HasSuffix(f, "\n100000\n") {
		t.Errorf("the file has %d bytes", len(f))
	}
	contains(t, "the plan", content[api.ArtifactTypePLAN], "# Steps")
	contains(t, "the pull request", content[api.ArtifactTypePULLREQUEST], "pull/7")
	if r := w.results(id); r[len(r)-1].State != api.ActionStateFailed {
		t.Errorf("a file outside the workspace was reported: %+v", r[len(r)-1])
	}
}

// TestLargeOutput: what is too large for an entry is said to be and can be fetched whole.
func TestLargeOutput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	id := w.start(script(say("Much.", bash("seq 1 400000")), say("Done.")))
	w.finish(id)
	r := w.results(id)[0]
	if r.Blob == "" || r.OmittedBytes == 0 || len(r.Output) > 256<<10 {
		t.Fatalf("blob %q, omitted %d, output of %d bytes", r.Blob, r.OmittedBytes, len(r.Output))
	}
	whole := w.whole(id, r)
	var want bytes.Buffer
	for i := 1; i <= 400000; i++ {
		fmt.Fprintln(&want, i)
	}
	if whole != want.String() {
		t.Errorf("the whole has %d bytes, want %d", len(whole), want.Len())
	}
}

// whole fetches an output that was too large for its entry.
func (w *world) whole(id string, r api.ActionResult) string {
	w.t.Helper()
	var b strings.Builder
	if _, err := w.DownloadOutput(w.ctx, id, r.Blob, &b); err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

// cadre runs the program as a person does and returns what it wrote.
func (w *world) cadre(args ...string) (string, error) {
	w.t.Helper()
	cmd := exec.CommandContext(w.ctx, program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.t.TempDir(), "CADRE_SERVER_URL=" + w.url, "CADRE_API_KEY=" + w.key}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// controls are what a terminal acts on, beside line breaks and tabs.
var controls = regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f\x{80}-\x{9f}]`)

// TestHostileContent: whatever a sandbox prints is stored bounded, as text, and does nothing to the
// terminal of whoever follows it.
func TestHostileContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	id := w.start(script(
		say("A long line.", bash("head -c 10485760 /dev/zero | tr '\\0' x; echo")),
		say("Not text.", bash(`printf '\xff\xfe\x80 broken \x00 nul \xc3'; head -c 4096 /dev/urandom`)),
		say("Escapes.", bash(`printf '\033]0;owned\007\033[2J\033[31mred\033[0m\033]8;;http://evil.test\033\\link\033]8;;\033\\ \302\233 \r\b <script>alert(1)</script>\n'`)),
		say("\x1b]0;owned by the model\x07<img src=x onerror=alert(1)>"),
	))
	w.finish(id)
	for _, e := range w.entries(id) {
		if len(e.Data) > 1<<20 || !utf8.Valid(e.Data) {
			t.Errorf("entry %d (%s) has %d bytes, valid: %t", e.Seq, e.Type, len(e.Data), utf8.Valid(e.Data))
		}
	}
	r := w.results(id)
	if len(r) != 3 || r[0].Blob == "" {
		t.Fatalf("results:\n%s", w.dump(id))
	}
	if whole := w.whole(id, r[0]); len(whole) != 10<<20+1 {
		t.Errorf("the long line is stored with %d bytes", len(whole))
	}
	for _, args := range [][]string{{"run", "follow", id}, {"run", "get", id}, {"run", "conversation", "get", id}, {"run", "transcript", id}} {
		out, err := w.cadre(args...)
		if err != nil {
			t.Errorf("cadre %v: %v\n%s", args, err, tail(out, 500))
		}
		if bad := controls.FindString(out); bad != "" && (args[1] == "follow" || args[1] == "get") {
			at := strings.Index(out, bad)
			t.Errorf("cadre %v wrote %q: %q", args, bad, out[max(0, at-40):min(len(out), at+40)])
		}
	}
}

// TestInsideARun: what the agent's commands see of the control plane.
func TestInsideARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	other := w.start(script(say("Somebody else's."))) // a run of the same person
	w.finish(other)
	id := w.start(script(
		say("Myself.", bash(`"$OZ_CLI" run get "$OZ_RUN_ID" --output-format json`)),
		say("Another.", bash(`"$OZ_CLI" run get `+other+` --output-format json`)),
		say("Cancel.", bash(`"$OZ_CLI" run cancel "$OZ_RUN_ID"`)),
		say("Environment.", bash(`"$OZ_CLI" environment create --name mine`)),
		say("Keys.", bash(`env | grep -c -E 'ANTHROPIC_API_KEY|OPENAI_API_KEY|BOOTSTRAP'; cat `+filepath.Join(w.cfg.DataDir, "cadre.db")+` | wc -c`)),
		say("Child.", bash(`"$OZ_CLI" agent run-cloud --no-environment --prompt hello --name child`)),
		say("Done."),
	))
	w.finish(id)
	r := w.results(id)
	if len(r) != 6 {
		t.Fatalf("results:\n%s", w.dump(id))
	}
	contains(t, "its own run", r[0].Output, `"run_id": "`+id+`"`)
	for i, what := range map[int]string{1: "another run", 2: "cancelling", 3: "an environment"} {
		if r[i].State != api.ActionStateFailed {
			t.Errorf("%s was reached with a run's token: %s", what, r[i].Output)
		}
	}
	contains(t, "the environment of commands", r[4].Output, "0\n")
	contains(t, "the child", r[5].Output, "Run ID: ")
	children, err := w.ListRuns(w.ctx, api.ListRunsParams{AncestorRunId: id})
	if err != nil || len(children.Runs) != 1 || children.Runs[0].ParentRunId != id {
		t.Errorf("children: %+v, %v", children.Runs, err)
	}
}

// TestUnmanaged: "agent run" carries a run out where it is called and records it.
func TestUnmanaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "greeting"), []byte("hello from here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := w.cadre("agent", "run", "--cwd", dir, "--model", "scripted", "--share", "team:view", "--share", "public", "-p", script(say("Look.", bash("cat greeting && touch made")), say("All done.")))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	contains(t, "the terminal", out, "hello from here", "All done.", "Run ID: ", "Sharing session at: http", "--share public: sessions are shown to the team of their run only")
	if _, err := os.Stat(filepath.Join(dir, "made")); err != nil {
		t.Error(err)
	}
	list, err := w.ListRuns(w.ctx, api.ListRunsParams{})
	if err != nil || len(list.Runs) != 1 {
		t.Fatalf("runs %+v, %v", list, err)
	}
	run := list.Runs[0]
	if run.State != api.RunStateSUCCEEDED || run.ExecutionLocation != api.RunExecutionLocationLOCAL || run.IsSandboxRunning {
		t.Errorf("recorded as %+v", run)
	}
	contains(t, "the record", w.results(run.RunId)[0].Output, "hello from here")
}
