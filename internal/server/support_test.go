package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/server"
)

// support calls an operation of /harness-support, naming a run unless that is empty.
func (w *world) support(operation, runID string, body any) answer {
	w.t.Helper()
	r := request{method: "POST", path: api.BasePath + "/harness-support/" + operation, key: w.key, body: body, header: http.Header{}}
	if runID != "" {
		r.header.Set("X-Warp-Cloud-Agent-ID", runID)
	}
	return w.do(r)
}

// sendFile sends a file to its target, as any client would.
func (w *world) sendFile(target api.UploadTarget, content string) answer {
	w.t.Helper()
	header := http.Header{}
	for k, v := range target.Headers {
		header.Set(k, v)
	}
	return w.do(request{method: string(target.Method), path: target.Url, body: content, header: header})
}

// fetch reads what a signed link leads to.
func (w *world) fetch(link string) string {
	w.t.Helper()
	return string(w.do(request{method: "GET", path: link}).want(200).body)
}

func sumOf(content string) string {
	sum := crc32.Checksum([]byte(content), crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

func TestWhatAnAgentHandsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := w.localRun("write a report")
	agent := w.as(local.RunToken)

	conversation := decode[api.CreateExternalConversationResponse](agent.support("external-conversation", "", api.CreateExternalConversationRequest{Format: "claude_code_cli"}).want(200))
	if conversation.ConversationId != local.RunId {
		t.Errorf("conversation %q of run %s", conversation.ConversationId, local.RunId)
	}
	agent.support("external-conversation", local.RunId, api.CreateExternalConversationRequest{Format: "claude_code_cli"}).want(200)
	agent.support("external-conversation", "", api.CreateExternalConversationRequest{Format: "codex_cli"}).
		wantProblem(api.PlatformErrorCodeConflict, 409, "claude_code_cli")

	get := func() answer {
		return agent.do(request{method: "GET", path: api.BasePath + "/harness-support/transcript", key: agent.key})
	}
	get().want(404)
	for _, text := range []string{`{"turns":1}`, `{"turns":2}`} { // a client asks for a target each time
		target := decode[api.UploadTarget](agent.support("transcript", "", api.UploadTargetRequest{ConversationId: local.RunId}).want(200))
		for range 2 { // and may send the same twice
			receipt := decode[api.UploadReceipt](w.sendFile(target, text).want(200))
			if receipt.SizeBytes != int64(len(text)) || receipt.Crc32c != sumOf(text) {
				t.Errorf("receipt %+v", receipt)
			}
		}
	}
	if got := w.fetch(get().want(302).header.Get("Location")); got != `{"turns":2}` {
		t.Errorf("transcript %q", got)
	}
	agent.support("transcript", "", api.UploadTargetRequest{ConversationId: "elsewhere"}).want(404)

	w.get("/agent/conversations/" + local.RunId + "/block-snapshot").want(404)
	target := decode[api.UploadTarget](agent.support("block-snapshot", "", api.UploadTargetRequest{ConversationId: local.RunId}).want(200))
	w.sendFile(target, `{"rows":["$ ls"]}`).want(200)
	block := w.get("/agent/conversations/" + local.RunId + "/block-snapshot").want(200)
	if string(block.body) != `{"rows":["$ ls"]}` || !strings.HasPrefix(block.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("terminal %s %v", block, block.header)
	}
}

func TestAgentReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := w.localRun("open a pull request")
	agent := w.as(local.RunToken)
	pull := map[string]any{"artifact_type": "PULL_REQUEST", "data": map[string]any{"url": "https://git.example/pr/1", "branch": "fix"}}
	first := decode[api.ReportArtifactResponse](agent.support("report-artifact", "", pull).want(200))
	if again := decode[api.ReportArtifactResponse](agent.support("report-artifact", "", pull).want(200)); again != first {
		t.Errorf("reported again it is another: %v, %v", first, again)
	}
	link := map[string]any{"artifact_type": "EXTERNAL_REFERENCE", "data": map[string]any{
		"url": "https://tickets.example/7", "reference_type": "ticket", "title": "Login", "metadata": map[string]any{"p": 1}}}
	agent.support("report-artifact", "", link).want(200)
	for want, bad := range map[string]any{
		"artifact_type":           map[string]any{"artifact_type": "FILE", "data": map[string]any{}},
		"data.url":                map[string]any{"artifact_type": "PULL_REQUEST", "data": map[string]any{"url": "javascript:alert(1)", "branch": "b"}},
		"url and branch":          map[string]any{"artifact_type": "PULL_REQUEST", "data": map[string]any{"url": "https://x"}},
		"data.reference_type":     map[string]any{"artifact_type": "EXTERNAL_REFERENCE", "data": map[string]any{"url": "https://x", "reference_type": strings.Repeat("r", 257)}},
		"data.metadata":           map[string]any{"artifact_type": "EXTERNAL_REFERENCE", "data": map[string]any{"url": "https://x", "reference_type": "r", "metadata": []int{1}}},
		"must be at most":         map[string]any{"artifact_type": "EXTERNAL_REFERENCE", "data": map[string]any{"url": "https://x/" + strings.Repeat("u", 2048), "reference_type": "r"}},
		"must not contain contro": map[string]any{"artifact_type": "PULL_REQUEST", "data": map[string]any{"url": "https://x/\r\nSet-Cookie: a=b", "branch": "b"}},
	} {
		agent.support("report-artifact", "", bad).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, want)
	}
	if got := w.run(local.RunId).Artifacts; len(got) != 2 || got[0].Data.Branch != "fix" || got[1].Data.Title != "Login" {
		t.Errorf("artifacts %+v", got)
	}

	agent.support("notify-user", "", api.NotifyUserRequest{Message: "Needs a window."}).want(200)
	agent.support("notify-user", "", api.NotifyUserRequest{Message: " "}).want(400)
	agent.support("finish-task", "", api.FinishTaskRequest{Success: true, Summary: "Opened it."}).want(200)
	agent.support("finish-task", "", api.FinishTaskRequest{Success: false, Summary: "Not so."}).want(200) // too late
	// The runner's own word comes later and changes nothing.
	w.say(local.RunToken, 0, api.RunStateFAILED, api.AgentMessage{Text: "hm"}).want(200)
	if r := w.run(local.RunId); r.State != api.RunStateSUCCEEDED || r.StatusMessage.Message != "Opened it." {
		t.Errorf("ended %s: %+v", r.State, r.StatusMessage)
	}
	var notified bool
	for _, e := range decode[api.ListEntriesResponse](w.get("/agent/runs/" + local.RunId + "/entries").want(200)).Entries {
		data, err := e.Decode()
		n, ok := data.(api.Notice)
		notified = notified || err == nil && ok && n.Notify && n.Text == "Needs a window." && e.Execution == 1
	}
	if !notified {
		t.Error("the notification is no entry of the execution")
	}
}

// TestWhoSpeaksForARun: an agent for its own run only, a person for local ones only, nobody for an
// execution that is over.
func TestWhoSpeaksForARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, other := w.localRun("own"), w.localRun("other")
	agent := w.as(own.RunToken)
	message := api.NotifyUserRequest{Message: "hello"}
	agent.support("notify-user", other.RunId, message).want(404)
	w.support("notify-user", "", message).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "X-Warp-Cloud-Agent-ID")
	w.support("notify-user", own.RunId, message).want(200)
	w.as(w.keyWith(identity.RoleViewer)).support("notify-user", own.RunId, message).want(403)
	queued := decode[api.RunAgentResponse](w.post("/agent/runs", api.RunAgentRequest{Prompt: "far away"}).want(200))
	w.support("notify-user", queued.RunId, message).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "sandbox")

	// A person's key with the sandbox's token beside it speaks for the sandbox.
	r := request{method: "POST", path: api.BasePath + "/harness-support/finish-task", key: w.key,
		body: api.FinishTaskRequest{Success: false, Summary: "gave up"}, header: http.Header{"X-Warp-Ambient-Workload-Token": {own.RunToken}}}
	w.do(r).want(200)
	if got := w.run(own.RunId); got.State != api.RunStateFAILED || got.StatusMessage.Message != "gave up" {
		t.Errorf("%s %+v", got.State, got.StatusMessage)
	}
	agent.post("/runner/end", api.RunnerEndRequest{}).want(204)
	agent.support("notify-user", "", message).want(401)

	// What a CI job says after its agent died: the run ends at once, and may be told so again.
	crash := api.ReportShutdownRequest{Error: api.ReportShutdownError{Category: "process_exit", Message: "agent exited with status 1"}}
	for range 2 {
		w.support("report-shutdown", other.RunId, crash).want(200)
	}
	if got := w.run(other.RunId); got.State != api.RunStateFAILED || got.IsSandboxRunning || !strings.Contains(got.StatusMessage.Message, "status 1") {
		t.Errorf("%s %+v", got.State, got.StatusMessage)
	}
	w.support("notify-user", other.RunId, message).want(409)
}

func TestSnapshotFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := w.localRun("checkpoints")
	agent := w.as(local.RunToken)
	file := func(name string) api.SnapshotFile { return api.SnapshotFile{Filename: name, MimeType: "text/plain"} }
	upload := func(mode api.SnapshotUploadRequestMode, generation string, content string, names ...string) {
		t.Helper()
		req := api.SnapshotUploadRequest{Mode: mode, Generation: generation}
		for _, n := range names {
			req.Files = append(req.Files, file(n))
		}
		out := decode[api.SnapshotUploadResponse](agent.support("upload-snapshot", "", req).want(200))
		for i, target := range out.Uploads {
			w.sendFile(target, content+names[i]).want(200)
		}
	}
	listed := func() (out []string) {
		t.Helper()
		for _, a := range decode[api.HandoffAttachmentsResponse](w.get("/agent/runs/" + local.RunId + "/handoff/attachments").want(200)).Attachments {
			out = append(out, a.Filename+"="+w.fetch(a.DownloadUrl))
		}
		return out
	}
	is := func(want ...string) {
		t.Helper()
		if got := listed(); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("files %q, want %q", got, want)
		}
	}
	upload("checkpoint", "g1", "1", "a", "b")
	is() // not committed
	agent.support("commit-snapshot", "", api.CommitSnapshotRequest{Generation: "g1", Files: []string{"a", "c"}}).
		wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "files[1]")
	for range 2 {
		agent.support("commit-snapshot", "", api.CommitSnapshotRequest{Generation: "g1", Files: []string{"a", "b"}}).want(200)
	}
	is("a=1a", "b=1b")
	agent.support("upload-snapshot", "", api.SnapshotUploadRequest{Mode: "checkpoint", Generation: "g1", Files: []api.SnapshotFile{file("a")}}).want(409)
	upload("checkpoint", "g2", "2", "a")
	is("a=1a", "b=1b")
	agent.support("commit-snapshot", "", api.CommitSnapshotRequest{Generation: "g2", Files: []string{"a"}}).want(200)
	is("a=2a")
	upload("", "", "end", "../../etc/passwd")
	is("../../etc/passwd=end../../etc/passwd") // a label: what is saved under it is made safe

	for _, bad := range []api.SnapshotUploadRequest{
		{}, {Files: make([]api.SnapshotFile, 26)}, {Generation: "g", Files: []api.SnapshotFile{file("x")}},
		{Mode: "checkpoint", Files: []api.SnapshotFile{file("x")}},
		{Mode: "checkpoint", Generation: "a__b", Files: []api.SnapshotFile{file("x")}},
		{Mode: "checkpoint", Generation: "../x", Files: []api.SnapshotFile{file("x")}},
		{Files: []api.SnapshotFile{file("x"), file("x")}},
		{Files: []api.SnapshotFile{file("a\r\nb")}},
		{Files: []api.SnapshotFile{{Filename: "x", MimeType: "text/plain\r\nSet-Cookie: a=b"}}},
		{Files: []api.SnapshotFile{file(strings.Repeat("n", 256))}},
	} {
		agent.support("upload-snapshot", "", bad).want(400)
	}
	for i := range 5 {
		req := api.SnapshotUploadRequest{}
		for j := range 25 {
			req.Files = append(req.Files, file(strings.Repeat("x", i+1)+strings.Repeat("y", j+1)))
		}
		want := 200
		if i == 4 || i == 3 { // with the one that is there the fourth makes 101
			want = 400
		}
		agent.support("upload-snapshot", "", req).want(want)
	}
}

// TestUploadsAreGuarded: a link serves one file, whole, in time, and as long as its execution lives.
func TestUploadsAreGuarded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newWorld(t, func(c *server.Config) { c.Now = func() time.Time { return now } })
	local, other := w.localRun("own"), w.localRun("other")
	agent := w.as(local.RunToken)
	create := func(size int64) api.CreateFileArtifactResponse {
		t.Helper()
		return decode[api.CreateFileArtifactResponse](agent.post("/agent/artifacts", api.CreateFileArtifactRequest{
			Filepath: "out/report.txt", MimeType: "text/plain", SizeBytes: size}).want(200))
	}
	confirm := func(uid, content string) answer {
		t.Helper()
		return agent.post("/agent/artifacts/"+uid+"/confirm", api.ConfirmFileArtifactRequest{Crc32c: sumOf(content)})
	}
	file := create(5)
	confirm(file.ArtifactUid, "hello").wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "not arrived")
	w.sendFile(file.UploadTarget, "hell").want(400)
	w.sendFile(file.UploadTarget, "hello!").want(400)
	confirm(file.ArtifactUid, "hello").want(400) // nothing of that was kept
	w.sendFile(file.UploadTarget, "jelly").want(200)
	confirm(file.ArtifactUid, "hello").wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "differs")
	w.sendFile(file.UploadTarget, "hello").want(200)
	w.as(other.RunToken).post("/agent/artifacts/"+file.ArtifactUid+"/confirm", api.ConfirmFileArtifactRequest{Crc32c: sumOf("hello")}).want(404)
	for range 2 {
		content := decode[api.ArtifactContent](confirm(file.ArtifactUid, "hello").want(200))
		if content.ArtifactUid != file.ArtifactUid || content.Data.SizeBytes != 5 || content.Data.Filename != "report.txt" || w.fetch(content.Data.DownloadUrl) != "hello" {
			t.Errorf("artifact %+v", content)
		}
	}
	w.sendFile(file.UploadTarget, "jelly").wantProblem(api.PlatformErrorCodeConflict, 409, "final")
	if n := len(w.run(local.RunId).Artifacts); n != 1 {
		t.Errorf("%d artifacts", n)
	}

	// A link is for its own path, method and time.
	file = create(5)
	forge := func(change func(u *url.URL)) string {
		u, err := url.Parse(file.UploadTarget.Url)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	second := create(5)
	u, _ := url.Parse(second.UploadTarget.Url)
	for name, link := range map[string]string{
		"unsigned":       forge(func(u *url.URL) { u.RawQuery = "" }),
		"another file":   forge(func(f *url.URL) { f.Path = u.Path }),
		"a download":     forge(func(f *url.URL) { f.Path = strings.Replace(f.Path, "/uploads/", "/blobs/", 1) }),
		"longer":         forge(func(f *url.URL) { f.RawQuery = strings.Replace(f.RawQuery, "expires=", "expires=9", 1) }),
		"climbing paths": forge(func(f *url.URL) { f.Path = "/api/v1/uploads/..%2f..%2fetc" }),
	} {
		if a := w.do(request{method: "PUT", path: link, body: "hello"}); a.status < 400 || a.status >= 500 {
			t.Errorf("%s: %s", name, a)
		}
	}
	for _, method := range []string{"GET", "POST", "DELETE"} {
		w.do(request{method: method, path: file.UploadTarget.Url, body: "hello"}).want(405)
	}

	// One that breaks off leaves nothing.
	w.breakOff(file.UploadTarget, 5, "hel")
	confirm(file.ArtifactUid, "hel").want(400)
	w.sendFile(file.UploadTarget, "hello").want(200)

	// The links end with their time, and with their execution.
	third := create(5)
	now = now.Add(2 * time.Hour)
	w.sendFile(third.UploadTarget, "hello").want(403)
	third = create(5)
	w.say(local.RunToken, 0, api.RunStateINPROGRESS).want(200)
	w.say(local.RunToken, 0, api.RunStateSUCCEEDED, api.AgentMessage{Text: "done"}).want(200)
	agent.post("/runner/end", api.RunnerEndRequest{}).want(204)
	w.sendFile(third.UploadTarget, "hello").want(409)
}

// breakOff begins to send a file of a size and hangs up in the middle.
func (w *world) breakOff(target api.UploadTarget, size int, part string) {
	w.t.Helper()
	u, err := url.Parse(target.Url)
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	var b bytes.Buffer
	req, _ := http.NewRequestWithContext(w.t.Context(), "PUT", target.Url, io.NopCloser(strings.NewReader(part)))
	req.ContentLength = int64(size)
	_ = req.Write(&b) // it is cut short: that is what we want
	if b.Len() == 0 {
		b.WriteString("PUT " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\nContent-Length: 5\r\n\r\n" + part)
	}
	if _, err := conn.Write(b.Bytes()); err != nil {
		w.t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		w.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, conn)
}

func TestHandoff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hand := func(who *world, files ...api.SnapshotFile) api.HandoffUploadSnapshotResponse {
		t.Helper()
		return decode[api.HandoffUploadSnapshotResponse](who.post("/agent/handoff/upload-snapshot", api.HandoffUploadSnapshotRequest{Files: files}).want(200))
	}
	out := hand(w, api.SnapshotFile{Filename: "workspace.tar.gz", MimeType: api.WorkspaceType}, api.SnapshotFile{Filename: "notes.md", MimeType: "text/markdown"})
	req := api.RunAgentRequest{Prompt: "go on", InitialSnapshotToken: out.InitialSnapshotToken}
	w.sendFile(out.Uploads[0], "a workspace").want(200)
	w.post("/agent/runs", req).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "notes.md")
	w.sendFile(out.Uploads[1], "# Notes").want(200)
	w.as(w.localRun("other").RunToken).post("/agent/runs", req).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "initial_snapshot_token")
	created := decode[api.RunAgentResponse](w.post("/agent/runs", req).want(200))
	w.post("/agent/runs", req).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "initial_snapshot_token") // it works once
	w.sendFile(out.Uploads[1], "# Other").want(409)
	files := decode[api.ListAttachmentsResponse](w.get("/agent/runs/" + created.RunId + "/attachments").want(200)).Attachments
	if len(files) != 1 || files[0].Filename != "notes.md" || w.fetch(files[0].DownloadUrl) != "# Notes" {
		t.Errorf("files %+v", files)
	}
	left := decode[api.HandoffAttachmentsResponse](w.get("/agent/runs/" + created.RunId + "/handoff/attachments").want(200)).Attachments
	if len(left) != 1 || w.fetch(left[0].DownloadUrl) != "a workspace" {
		t.Errorf("the workspace is %+v", left)
	}
	for range 3 {
		hand(w, make25("f")...)
	}
	hand(w, make25("f")...)
	w.post("/agent/handoff/upload-snapshot", api.HandoffUploadSnapshotRequest{Files: make25("f")}).want(429)
}

func make25(name string) (out []api.SnapshotFile) {
	for range 25 {
		out = append(out, api.SnapshotFile{Filename: name, MimeType: "text/plain"})
	}
	return out
}

func TestAttachmentsOfMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := w.localRun("look at this")
	path := "/agent/runs/" + local.RunId
	prepared := decode[api.PrepareAttachmentsResponse](w.post(path+"/attachments/prepare", api.PrepareAttachmentsRequest{Files: []api.SnapshotFile{
		{Filename: "../../.bashrc", MimeType: "text/plain"}, {Filename: "a\\..\\.bashrc", MimeType: "image/png"},
	}}).want(200)).Attachments
	ids := []string{prepared[0].AttachmentId, prepared[1].AttachmentId}
	w.post(path+"/attachments/download", api.DownloadAttachmentsRequest{AttachmentIds: ids}).want(404) // not there yet
	w.post(path+"/followups", api.RunFollowupRequest{Message: "see", Attachments: ids}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "attachments[0]")
	for i, p := range prepared {
		w.sendFile(p.UploadTarget, strings.Repeat("x", i+1)).want(200)
	}
	other := w.localRun("other")
	w.post("/agent/runs/"+other.RunId+"/followups", api.RunFollowupRequest{Message: "see", Attachments: ids}).want(400)
	w.post(path+"/followups", api.RunFollowupRequest{Message: "see", Attachments: ids}).want(200)
	got := decode[api.DownloadAttachmentsResponse](w.as(local.RunToken).post(path+"/attachments/download", api.DownloadAttachmentsRequest{AttachmentIds: ids[1:]}).want(200))
	if len(got.Attachments) != 1 || w.fetch(got.Attachments[0].DownloadUrl) != "xx" {
		t.Errorf("download %+v", got)
	}
	list := decode[api.ListAttachmentsResponse](w.get(path + "/attachments").want(200)).Attachments
	if len(list) != 2 || list[0].Filename != "bashrc" || list[1].Filename != "2-bashrc" {
		t.Errorf("safe names %+v", list)
	}
	commands := w.as(local.RunToken).follow("/runner/commands/stream")
	e, ok := commands.next()
	if !ok || !strings.Contains(e.data, ids[0]) || !strings.Contains(e.data, "/blobs/") {
		t.Errorf("the runner is told %q", e.data)
	}
	// Only the runner's own words say which files the message had.
	w.say(local.RunToken, 0, api.RunStateINPROGRESS, api.UserMessage{CommandID: 1, Text: "forged", Attachments: []string{"x"}}).want(200)
	entries := decode[api.ListEntriesResponse](w.get(path + "/entries").want(200)).Entries
	var said api.UserMessage
	for _, entry := range entries {
		if d, err := entry.Decode(); err == nil {
			if m, is := d.(api.UserMessage); is {
				said = m
			}
		}
	}
	if said.Text != "see" || strings.Join(said.Attachments, " ") != strings.Join(ids, " ") {
		t.Errorf("said %+v", said)
	}
}

func TestResolvePrompt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := decode[api.LocalRunResponse](w.post("/agent/local-runs", api.LocalRunRequest{
		Prompt: "the login", Mode: api.RunModePlan, Config: api.AmbientAgentConfig{BasePrompt: "Be brief."}}).want(200))
	agent := w.as(local.RunToken)
	resolve := func(req api.ResolvePromptRequest) api.ResolvePromptResponse {
		t.Helper()
		return decode[api.ResolvePromptResponse](agent.support("resolve-prompt", "", req).want(200))
	}
	if got := resolve(api.ResolvePromptRequest{}); got.Prompt != "the login" || !strings.HasPrefix(got.SystemPrompt, "Be brief.\n\n") || got.ResumptionPrompt != "" || got.Context != "" {
		t.Errorf("plain: %+v", got)
	}
	placed := api.ResolvePromptSkill{Name: "fix", Content: "---\nname: fix\ndescription: Fixes.\n---\nFix $ARGUMENTS now."}
	if got := resolve(api.ResolvePromptRequest{Skill: placed}); got.Prompt != "Fix the login now." {
		t.Errorf("skill: %q", got.Prompt)
	}
	told := api.ResolvePromptSkill{Name: "fix", Content: "Fix it."}
	if got := resolve(api.ResolvePromptRequest{Skill: told}); got.Prompt != "Fix it.\n\nthe login" {
		t.Errorf("skill without a place: %q", got.Prompt)
	}
	agent.support("resolve-prompt", "", api.ResolvePromptRequest{AttachmentsDir: "/a\nb"}).want(400)
	p := decode[api.PrepareAttachmentsResponse](w.post("/agent/runs/"+local.RunId+"/attachments/prepare", api.PrepareAttachmentsRequest{
		Files: []api.SnapshotFile{{Filename: "x.png", MimeType: "image/png"}}}).want(200)).Attachments[0]
	w.sendFile(p.UploadTarget, "png").want(200)
	w.post("/agent/runs/"+local.RunId+"/followups", api.RunFollowupRequest{Message: "see", Attachments: []string{p.AttachmentId}}).want(200)
	if got := resolve(api.ResolvePromptRequest{AttachmentsDir: "/w/files"}); !strings.Contains(got.Context, "/w/files/x.png (image/png)") {
		t.Errorf("files: %q", got.Context)
	}
}

func TestRename(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := decode[api.RunAgentResponse](w.post("/agent/runs", api.RunAgentRequest{Prompt: "alpha"}).want(200))
	second := decode[api.RunAgentResponse](w.post("/agent/runs", api.RunAgentRequest{Prompt: "beta", ConversationId: first.RunId}).want(200))
	w.post("/agent/runs", api.RunAgentRequest{Prompt: "middle"}).want(200)
	titles := func() (out []string) {
		for _, r := range decode[api.ListRunsResponse](w.get("/agent/runs?sort_by=title&sort_order=asc").want(200)).Runs {
			out = append(out, r.Title)
		}
		return out
	}
	find := func(q string) int {
		return len(decode[api.ListRunsResponse](w.get("/agent/runs?q=" + q).want(200)).Runs)
	}
	if got := strings.Join(titles(), " "); got != "alpha beta middle" || find("zebra") != 0 {
		t.Fatalf("before: %q", got)
	}
	got := decode[api.RenameConversationResponse](w.post("/agent/conversations/"+first.RunId+"/rename", api.RenameConversationRequest{Title: " The\n zebra "}).want(200))
	if got.Title != "The zebra" {
		t.Errorf("kept %q", got.Title)
	}
	if got := strings.Join(titles(), "|"); got != "The zebra|The zebra|middle" { // capitals come first
		t.Errorf("after: %q", got)
	}
	if find("zebra") != 2 || find("alpha") != 1 { // the prompt still says alpha
		t.Errorf("found %d by the new title, %d by the old prompt", find("zebra"), find("alpha"))
	}
	if r := w.run(second.RunId); r.Title != "The zebra" {
		t.Errorf("the run says %q", r.Title)
	}
	w.post("/agent/conversations/"+first.RunId+"/rename", api.RenameConversationRequest{Title: " \n"}).want(400)
	w.post("/agent/conversations/"+first.RunId+"/rename", api.RenameConversationRequest{Title: strings.Repeat("t", 1025)}).want(400)
}

// TestUpdateFromAgent: an agent that no runner drives reports states by the same rules.
func TestUpdateFromAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := w.localRun("on my own")
	agent := w.as(local.RunToken)
	update := func(req api.UpdateRunFromAgentRequest) answer {
		return agent.post("/agent/runs/"+local.RunId+"/update", req)
	}
	w.post("/agent/runs/"+local.RunId+"/followups", api.RunFollowupRequest{Message: "and the tests"}).want(200)
	update(api.UpdateRunFromAgentRequest{TaskState: "IN_PROGRESS"}).want(200) // takes up what waits
	update(api.UpdateRunFromAgentRequest{TaskState: "BLOCKED", StatusMessage: api.AgentStatusMessage{Message: "Which one?"}}).want(200)
	if r := w.run(local.RunId); r.State != api.RunStateBLOCKED || r.StatusMessage.Message != "Which one?" {
		t.Errorf("%s %+v", r.State, r.StatusMessage)
	}
	update(api.UpdateRunFromAgentRequest{TaskState: "FAILED", StatusMessage: api.AgentStatusMessage{Message: "x", ErrorCode: "NO_SUCH"}}).want(400)
	update(api.UpdateRunFromAgentRequest{ConversationId: "else"}).want(400)
	update(api.UpdateRunFromAgentRequest{TaskState: "FAILED", StatusMessage: api.AgentStatusMessage{Message: "No.", ErrorCode: "ENVIRONMENT_SETUP_FAILED"}}).want(200)
	update(api.UpdateRunFromAgentRequest{TaskState: "SUCCEEDED"}).want(200) // too late
	if r := w.run(local.RunId); r.State != api.RunStateFAILED || r.StatusMessage.ErrorCode != api.PlatformErrorCodeEnvironmentSetupFailed {
		t.Errorf("%s %+v", r.State, r.StatusMessage)
	}
	other := w.localRun("other")
	w.as(other.RunToken).post("/agent/runs/"+local.RunId+"/update", api.UpdateRunFromAgentRequest{TaskState: "FAILED"}).want(404)
}
