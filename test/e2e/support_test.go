package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
)

// TestAgentReportsFromItsSandbox: whatever program the agent is, $OZ_CLI speaks for its run, and only for
// that.
func TestAgentReportsFromItsSandbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	other := w.start(script(say("Nothing.")))
	id := w.start(script(
		say("First the artifacts.", bash("set -e\n"+
			"$OZ_CLI harness-support report-artifact pull-request --url https://git.example/pr/1 --branch fix\n"+
			"$OZ_CLI harness-support report-external-reference --url https://tickets.example/7 --reference-type ticket --metadata '{\"n\":1}' --output-format json\n"+
			"printf hello > 'report .txt'; $OZ_CLI artifact upload 'report .txt' --description 'what I found'\n"+
			"$OZ_CLI harness-support notify-user --message 'Look at this.'\n"+
			"if $OZ_CLI harness-support --run-id "+other+" notify-user --message x; then exit 9; fi")),
		say("Now the end.", bash("$OZ_CLI harness-support finish-task --status failure --summary 'It cannot be done.'")),
		say("Bye.")))
	w.until("the sandbox has gone", func() bool { r := w.get(id); return r.State.Ended() && !r.IsSandboxRunning })
	r := w.get(id)
	if r.State != api.RunStateFAILED || r.StatusMessage.Message != "It cannot be done." {
		t.Errorf("ended %s: %+v", r.State, r.StatusMessage)
	}
	kinds := map[api.ArtifactType]api.ArtifactData{}
	for _, a := range r.Artifacts {
		kinds[a.ArtifactType] = a.Data
	}
	file := kinds[api.ArtifactTypeFILE]
	if len(r.Artifacts) != 3 || kinds[api.ArtifactTypePULLREQUEST].Branch != "fix" || kinds[api.ArtifactTypeEXTERNALREFERENCE].ReferenceType != "ticket" ||
		file.Filename != "report .txt" || file.SizeBytes != 5 {
		t.Errorf("artifacts %+v", r.Artifacts)
	}
	content, err := w.Artifact(w.ctx, file.ArtifactUid)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := w.DownloadArtifact(w.ctx, content, &b); err != nil || b.String() != "hello" {
		t.Errorf("downloaded %q: %v", b.String(), err)
	}
}

// TestChangesAreBroughtAlong: a repository with a commit nobody has, something staged, something changed
// and something new is in the run's sandbox as it is here.
func TestChangesAreBroughtAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	repo := filepath.Join(t.TempDir(), "mine")
	shell := exec.CommandContext(w.ctx, "sh", "-ec", `mkdir "$0"; cd "$0"; git init -q -b work; git config user.name A; git config user.email a@b
		printf 'one\n' > a; printf '.env\n' > .gitignore; git add .; git commit -qm first
		printf 'two\n' > a; printf 'staged\n' > b; git add b; printf 'new\n' > "c d"; printf 'KEY=1\n' > .env`, repo)
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	prompt := script(say("What is there?", bash("cd mine && git status --porcelain | sort && git log --format=%s && cat a 'c d' && test ! -e .env")), say("Saw: {{last_tool_output}}"))
	cmd := exec.CommandContext(w.ctx, program, "agent", "run-cloud", "--prompt", prompt, "--model", "scripted", "--no-environment", "--with-changes", "--follow", "--exit-status")
	cmd.Dir, cmd.Env = repo, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "CADRE_SERVER_URL=" + w.url, "CADRE_API_KEY=" + w.key}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{" M a", "?? \"c d\"", "A  b", "first", "two", "new", "brought along"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the sandbox lacks %q: %s", want, out)
		}
	}
	// What cannot be applied is told, and the rest of the run goes on.
	token := w.handOver("not a workspace")
	id := w.start(script(say("Hm.")), func(r *api.RunAgentRequest) { r.InitialSnapshotToken = token })
	w.reach(id, api.RunStateSUCCEEDED)
	told := false
	for _, e := range w.entries(id) {
		if d, err := e.Decode(); err == nil {
			n, is := d.(api.Notice)
			told = told || is && strings.Contains(n.Text, "could not be applied")
		}
	}
	if !told {
		t.Error("nobody was told that the work was not brought along")
	}
}

// handOver uploads a workspace and returns its token.
func (w *world) handOver(content string) string {
	w.t.Helper()
	out, err := w.HandOver(w.ctx, []api.SnapshotFile{{Filename: "workspace.tar.gz", MimeType: api.WorkspaceType}})
	if err == nil {
		_, err = w.Upload(w.ctx, out.Uploads[0], strings.NewReader(content), int64(len(content)))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return out.InitialSnapshotToken
}

// TestFilesOfAMessage: what is attached to a message is in the sandbox before the agent is told it, under a
// name that leads nowhere else.
func TestFilesOfAMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	id := w.start(script(say("Ready.")), staying)
	w.reach(id, api.RunStateSUCCEEDED)
	prepared, err := w.PrepareAttachments(w.ctx, id, []api.SnapshotFile{{Filename: "../../../notes .txt", MimeType: "text/plain"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Upload(w.ctx, prepared[0].UploadTarget, strings.NewReader("attached words"), 14); err != nil {
		t.Fatal(err)
	}
	if _, err := w.FollowUp(w.ctx, id, api.RunFollowupRequest{
		Message:     script(say("Reading.", bash("cat .cadre/attachments/*")), say("Read: {{last_tool_output}}")),
		Attachments: []string{prepared[0].AttachmentId},
	}); err != nil {
		t.Fatal(err)
	}
	w.until("the agent read it", func() bool { return strings.Contains(w.said(id), "Read: attached words") })
}
