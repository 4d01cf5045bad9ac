package run_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

func TestCreateRefuses(t *testing.T) {
	b := newBench(t, nil)
	invalid, unsupported := api.PlatformErrorCodeInvalidRequest, api.PlatformErrorCodeOperationNotSupported
	config := func(c api.AmbientAgentConfig) api.RunAgentRequest {
		return api.RunAgentRequest{Prompt: "x", Config: c}
	}
	mcp := func(m api.MCPServerConfig) api.RunAgentRequest {
		return config(api.AmbientAgentConfig{McpServers: map[string]api.MCPServerConfig{"m": m}})
	}
	minutes := func(n int32) *int32 { return &n }
	many := map[string]string{}
	for i := range 21 {
		many[fmt.Sprint(i)] = ""
	}
	no := false
	cases := map[string]struct {
		req   api.RunAgentRequest
		code  api.PlatformErrorCode
		field string
	}{
		"nothing said":          {api.RunAgentRequest{}, invalid, "prompt"},
		"blank prompt":          {api.RunAgentRequest{Prompt: " \n\t"}, invalid, "prompt"},
		"prompt with NUL":       {api.RunAgentRequest{Prompt: "a\x00b"}, invalid, "prompt"},
		"prompt not UTF-8":      {api.RunAgentRequest{Prompt: "\xc3\x28"}, invalid, "prompt"},
		"huge prompt":           {api.RunAgentRequest{Prompt: strings.Repeat("x", 1<<20+1)}, invalid, "prompt"},
		"long title":            {api.RunAgentRequest{Prompt: "x", Title: strings.Repeat("t", 1025)}, invalid, "title"},
		"title with escapes":    {api.RunAgentRequest{Prompt: "x", Title: "\x1b[31mred"}, invalid, "title"},
		"unknown mode":          {api.RunAgentRequest{Prompt: "x", Mode: "wild"}, invalid, "mode"},
		"too much metadata":     {api.RunAgentRequest{Prompt: "x", Metadata: many}, invalid, "metadata"},
		"bad metadata key":      {api.RunAgentRequest{Prompt: "x", Metadata: map[string]string{"a b": ""}}, invalid, "metadata"},
		"long metadata value":   {api.RunAgentRequest{Prompt: "x", Metadata: map[string]string{"k": strings.Repeat("v", 257)}}, invalid, "metadata.k"},
		"metadata with NUL":     {api.RunAgentRequest{Prompt: "x", Metadata: map[string]string{"k": "\x00"}}, invalid, "metadata.k"},
		"nameless attachment":   {api.RunAgentRequest{Prompt: "x", Attachments: []api.AttachmentInput{{Data: []byte("d")}}}, invalid, "attachments[0]"},
		"too many attachments":  {api.RunAgentRequest{Prompt: "x", Attachments: make([]api.AttachmentInput, 26)}, invalid, "attachments"},
		"parent is no id":       {api.RunAgentRequest{Prompt: "x", ParentRunId: "../etc"}, invalid, "parent_run_id"},
		"parent is unknown":     {api.RunAgentRequest{Prompt: "x", ParentRunId: "0190a000-0000-7000-8000-00000000dead"}, invalid, "parent_run_id"},
		"conversation is no id": {api.RunAgentRequest{ConversationId: "x"}, invalid, "conversation_id"},
		"unknown conversation":  {api.RunAgentRequest{ConversationId: "0190a000-0000-7000-8000-00000000dead"}, api.PlatformErrorCodeResourceNotFound, ""},
		"unknown agent":         {api.RunAgentRequest{Prompt: "x", AgentIdentityUid: "a"}, api.PlatformErrorCodeResourceNotFound, ""},
		"on behalf":             {api.RunAgentRequest{Prompt: "x", OnBehalfOf: "bob"}, api.PlatformErrorCodeNotAuthorized, ""},
		"snapshot token":        {api.RunAgentRequest{Prompt: "x", InitialSnapshotToken: "s"}, invalid, "initial_snapshot_token"},
		"idle too long":         {config(api.AmbientAgentConfig{IdleTimeoutMinutes: minutes(61)}), invalid, "config.idle_timeout_minutes"},
		"idle negative":         {config(api.AmbientAgentConfig{IdleTimeoutMinutes: minutes(-1)}), invalid, "config.idle_timeout_minutes"},
		"unknown harness":       {config(api.AmbientAgentConfig{Harness: api.Harness{Type: "hal"}}), invalid, "config.harness.type"},
		"harness not here":      {config(api.AmbientAgentConfig{Harness: api.Harness{Type: api.HarnessTypeClaude}}), unsupported, ""},
		"unknown model":         {config(api.AmbientAgentConfig{ModelId: "none"}), invalid, "config.model_id"},
		"skill twice":           {config(api.AmbientAgentConfig{SkillSpec: "a", Skills: []string{"b"}}), invalid, "config.skill_spec"},
		"empty skill":           {config(api.AmbientAgentConfig{Skills: []string{""}}), invalid, "config.skills[0]"},
		"server without way":    {mcp(api.MCPServerConfig{}), invalid, "config.mcp_servers.m"},
		"server with two ways":  {mcp(api.MCPServerConfig{Command: "c", Url: "http://h"}), invalid, "config.mcp_servers.m"},
		"args without command":  {mcp(api.MCPServerConfig{Url: "http://h", Args: []string{"a"}}), invalid, "config.mcp_servers.m"},
		"env without command":   {mcp(api.MCPServerConfig{Url: "http://h", Env: map[string]string{"A": "1"}}), invalid, "config.mcp_servers.m"},
		"headers without url":   {mcp(api.MCPServerConfig{Command: "c", Headers: map[string]string{"A": "1"}}), invalid, "config.mcp_servers.m"},
		"server url":            {mcp(api.MCPServerConfig{Url: "file:///etc/passwd"}), invalid, "config.mcp_servers.m.url"},
		"header splitting":      {mcp(api.MCPServerConfig{Url: "http://h", Headers: map[string]string{"A": "1\r\nB: 2"}}), invalid, "config.mcp_servers.m.headers"},
		"permission default":    {config(api.AmbientAgentConfig{Permissions: api.PermissionProfile{Default: "maybe"}}), invalid, "config.permissions.default"},
		"permission pattern":    {config(api.AmbientAgentConfig{Permissions: api.PermissionProfile{Deny: []string{"bash(rm"}}}), invalid, "config.permissions.deny[0]"},
		"memory instructions":   {config(api.AmbientAgentConfig{MemoryStores: []api.MemoryStoreRef{{Uid: "m", Access: "read_only"}}}), invalid, "config.memory_stores[0]"},
		"repo over git":         {config(api.AmbientAgentConfig{AdditionalSourceRepos: []api.SourceRepo{{Owner: "o", Repo: "x", Url: "git://h/x"}}}), invalid, "config.additional_source_repos[0].url"},
		"repo as an option":     {config(api.AmbientAgentConfig{AdditionalSourceRepos: []api.SourceRepo{{Owner: "o", Repo: "-x"}}}), invalid, "config.additional_source_repos[0].repo"},
		"unknown environment":   {config(api.AmbientAgentConfig{EnvironmentId: "nope"}), api.PlatformErrorCodeResourceNotFound, ""},
	}
	for name, c := range cases {
		_, _, err := b.s.Create(b.ctx, ada, c.req, api.RunSourceTypeAPI)
		wantFailure(t, name, err, c.code, c.field)
	}
	_, _, err := b.s.Create(b.ctx, reader, api.RunAgentRequest{Prompt: "x"}, api.RunSourceTypeAPI)
	wantFailure(t, "a viewer", err, api.PlatformErrorCodeNotAuthorized, "")
	loner := identity.Actor{Kind: identity.KindUser, UID: "u", Role: identity.RoleMember}
	yes := !no
	_, _, err = b.s.Create(b.ctx, loner, api.RunAgentRequest{Prompt: "x", Team: &yes}, api.RunSourceTypeAPI)
	wantFailure(t, "no team", err, api.PlatformErrorCodeInvalidRequest, "team")
}

func TestCreateResolves(t *testing.T) {
	b := newBench(t, func(c *run.Config) { c.DefaultHost = "here" })
	r := b.create(api.RunAgentRequest{
		Prompt: "Look at these.", Skill: "org/repo:skills/review", Interactive: true, SnapshotDisabled: true, Mode: api.RunModePlan,
		Config:      api.AmbientAgentConfig{WorkerHost: "warp"},
		Metadata:    map[string]string{"ticket_id": "T-1"},
		Attachments: []api.AttachmentInput{{FileName: "a.png", MimeType: "image/png", Data: []byte("png")}},
	})
	got := b.get(r.ID)
	if diff := cmp.Diff(r, got); diff != "" {
		t.Errorf("returned and stored differ: %s", diff)
	}
	c := got.Config
	if got.Host != "here" || c.WorkerHost != "here" || c.ModelId != "scripted" || c.IdleTimeoutMinutes != nil || c.Harness.Type != api.HarnessTypeOz ||
		c.SkillSpec != "org/repo:skills/review" || c.Name != "review" || len(c.Skills) != 1 {
		t.Errorf("resolved %+v on %s", c, got.Host)
	}
	if !got.Interactive || !got.NoSnapshot || got.Mode != api.RunModePlan || got.Owner != (identity.Owner{Type: api.ScopeTypeTeam, UID: "t-1"}) {
		t.Errorf("created %+v", got)
	}
	a := got.Attachments[0]
	m, content, err := b.blobs.Open(b.ctx, a.BlobID)
	b.ok(err)
	defer content.Close()
	if bytes, err := io.ReadAll(content); err != nil || string(bytes) != "png" || m.RunID != r.ID || m.Kind != api.BlobKindAttachment || a.Size != 3 {
		t.Errorf("attachment %+v %+v %q %v", a, m, bytes, err)
	}
	first := b.entries(r.ID)[0]
	if m := data[api.UserMessage](t, first); m.Text != "Look at these." || m.Attachments[0] != a.ID || m.Author.Uid != ada.UID {
		t.Errorf("first entry %+v", m)
	}
}

func TestPersonalAndTeamEnvironments(t *testing.T) {
	b := newBench(t, nil)
	put := func(uid string, o identity.Owner) {
		b.ok(b.envs.Insert(b.ctx, catalog.Environment{UID: uid, Owner: o, CreatedAt: b.clock(), UpdatedAt: b.clock()}, 9))
	}
	put("mine", identity.Owner{Type: api.ScopeTypeUser, UID: ada.UID})
	put("ours", identity.Owner{Type: api.ScopeTypeTeam, UID: "t-1"})
	put("theirs", identity.Owner{Type: api.ScopeTypeTeam, UID: "t-2"})
	no := false
	create := func(uid string, team *bool) error {
		_, _, err := b.s.Create(b.ctx, ada, api.RunAgentRequest{Prompt: "x", Team: team, Config: api.AmbientAgentConfig{EnvironmentId: uid}}, api.RunSourceTypeAPI)
		return err
	}
	b.ok(create("ours", nil))
	b.ok(create("mine", &no))
	b.ok(create("ours", &no))
	wantFailure(t, "team run, personal environment", create("mine", nil), api.PlatformErrorCodeInvalidRequest, "config.environment_id")
	wantFailure(t, "another team's environment", create("theirs", nil), api.PlatformErrorCodeResourceNotFound, "")
}

func TestCapacity(t *testing.T) {
	b := newBench(t, func(c *run.Config) { c.TeamLimit = func(context.Context, string) (int, error) { return 1, nil } })
	first, full, err := b.s.Create(b.ctx, ada, api.RunAgentRequest{Prompt: "x"}, api.RunSourceTypeAPI)
	b.ok(err)
	if full {
		t.Error("an idle team is full")
	}
	b.working(first)
	second, full, err := b.s.Create(b.ctx, ada, api.RunAgentRequest{Prompt: "x"}, api.RunSourceTypeAPI)
	b.ok(err)
	if !full {
		t.Error("a working team has room")
	}
	b.wantState(second.ID, api.RunStateQUEUED, api.WaitingCodeAtCapacity)
}

func TestChildren(t *testing.T) {
	b := newBench(t, nil)
	parent := b.create(api.RunAgentRequest{Metadata: map[string]string{"a": "parent", "b": "parent"}})
	tok := b.working(parent)
	child, _, err := b.s.Create(b.ctx, tok, api.RunAgentRequest{Prompt: "part", Metadata: map[string]string{"a": "own"}}, api.RunSourceTypeAPI)
	b.ok(err)
	if child.ParentID != parent.ID || child.Source != api.RunSourceTypeORCHESTRATION || child.Metadata["a"] != "own" || child.Metadata["b"] != "parent" {
		t.Errorf("child %+v", child)
	}
	_, _, err = b.s.Create(b.ctx, ada, api.RunAgentRequest{Prompt: "deeper", ParentRunId: child.ID}, api.RunSourceTypeAPI)
	wantFailure(t, "too deep", err, api.PlatformErrorCodeInvalidRequest, "parent_run_id")
	item, err := b.s.Item(b.ctx, b.get(parent.ID))
	b.ok(err)
	if len(item.Children) != 1 || item.Children[0] != child.ID {
		t.Errorf("children %v", item.Children)
	}
	crowd := map[string]string{}
	for i := range 19 {
		crowd[fmt.Sprint(i)] = ""
	}
	_, _, err = b.s.Create(b.ctx, ada, api.RunAgentRequest{Prompt: "x", ParentRunId: parent.ID, Metadata: crowd}, api.RunSourceTypeAPI)
	wantFailure(t, "metadata with the parent's", err, api.PlatformErrorCodeInvalidRequest, "metadata")

	deep := newBench(t, func(c *run.Config) { c.MaxDepth = 2 })
	id := deep.create(api.RunAgentRequest{}).ID
	for range 2 {
		r, _, err := deep.s.Create(deep.ctx, ada, api.RunAgentRequest{Prompt: "x", ParentRunId: id}, api.RunSourceTypeAPI)
		deep.ok(err)
		id = r.ID
	}
	_, _, err = deep.s.Create(deep.ctx, ada, api.RunAgentRequest{Prompt: "x", ParentRunId: id}, api.RunSourceTypeAPI)
	wantFailure(t, "deeper than two", err, api.PlatformErrorCodeInvalidRequest, "parent_run_id")
}

func TestContinueConversation(t *testing.T) {
	b := newBench(t, nil)
	old, tok := b.in(api.RunStateINPROGRESS, true)
	b.report(tok, api.RunnerReport{}, api.AgentMessage{Text: "first"}, api.Usage{ModelID: "m"}, api.Action{ID: "a", Name: "bash"})
	upTo := b.get(old.ID).LastSeq
	b.report(tok, api.RunnerReport{State: api.RunStateSUCCEEDED}, api.Compaction{UpTo: upTo, Summary: "so far"})

	next, _, err := b.s.Create(b.ctx, bob, api.RunAgentRequest{Prompt: "And then?", ConversationId: old.ID}, api.RunSourceTypeAPI)
	b.ok(err)
	if next.ConversationID != old.ID || next.LastSeq != 5 {
		t.Fatalf("continued %+v", next)
	}
	want := []api.EntryType{api.EntryTypeUserMessage, api.EntryTypeAgentMessage, api.EntryTypeAction, api.EntryTypeCompaction, api.EntryTypeUserMessage}
	if diff := cmp.Diff(want, b.types(next.ID)); diff != "" {
		t.Errorf("entries: %s", diff)
	}
	if c := data[api.Compaction](t, b.entries(next.ID)[3]); c.UpTo != 3 {
		t.Errorf("the summary stands for entries up to %d, want 3", c.UpTo)
	}
	// The newest run of the conversation is what goes on, and it may go on without a word.
	b.pass(1)
	third, _, err := b.s.Create(b.ctx, ada, api.RunAgentRequest{ConversationId: old.ID}, api.RunSourceTypeAPI)
	b.ok(err)
	if third.LastSeq != 5 || last(b.types(third.ID)) != api.EntryTypeUserMessage {
		t.Errorf("third run has %v", b.types(third.ID))
	}
	_, _, err = b.s.Create(b.ctx, eve, api.RunAgentRequest{ConversationId: old.ID}, api.RunSourceTypeAPI)
	wantFailure(t, "another team's conversation", err, api.PlatformErrorCodeResourceNotFound, "")
}

func TestWhoSeesWhat(t *testing.T) {
	b := newBench(t, nil)
	team := b.create(api.RunAgentRequest{})
	no := false
	mine := b.create(api.RunAgentRequest{Team: &no})
	tok := b.working(team)
	child, _, err := b.s.Create(b.ctx, tok, api.RunAgentRequest{Prompt: "x"}, api.RunSourceTypeAPI)
	b.ok(err)
	sees := map[string]struct {
		who  identity.Actor
		want map[string]bool
	}{
		"ada":       {ada, map[string]bool{team.ID: true, mine.ID: true, child.ID: true}},
		"bob":       {bob, map[string]bool{team.ID: true, mine.ID: false, child.ID: true}},
		"a viewer":  {reader, map[string]bool{team.ID: true, mine.ID: false, child.ID: true}},
		"a team":    {eve, map[string]bool{team.ID: false, mine.ID: false, child.ID: false}},
		"the token": {tok, map[string]bool{team.ID: true, mine.ID: false, child.ID: true}},
	}
	for name, c := range sees {
		for id, want := range c.want {
			_, err := b.s.Get(b.ctx, c.who, id)
			if want && err != nil {
				t.Errorf("%s does not see %s: %v", name, id, err)
			}
			if !want {
				wantFailure(t, name, err, api.PlatformErrorCodeResourceNotFound, "")
			}
		}
		page, err := b.s.List(b.ctx, c.who, run.Query{})
		b.ok(err)
		for _, r := range page.Runs {
			if !c.want[r.ID] {
				t.Errorf("%s lists %s", name, r.ID)
			}
		}
	}
	steer := map[string]func(identity.Actor) error{
		"cancel":    func(a identity.Actor) error { _, err := b.s.Cancel(b.ctx, a, team.ID); return err },
		"interrupt": func(a identity.Actor) error { _, err := b.s.Interrupt(b.ctx, a, team.ID); return err },
		"message": func(a identity.Actor) error {
			_, err := b.s.FollowUp(b.ctx, a, team.ID, api.RunFollowupRequest{Message: "x"})
			return err
		},
		"answer": func(a identity.Actor) error {
			_, err := b.s.Answer(b.ctx, a, team.ID, "q", api.AnswerRequest{Text: "x"})
			return err
		},
	}
	for name, act := range steer {
		wantFailure(t, name+" by a viewer", act(reader), api.PlatformErrorCodeNotAuthorized, "")
		wantFailure(t, name+" by the run itself", act(tok), api.PlatformErrorCodeNotAuthorized, "")
		wantFailure(t, name+" by another team", act(eve), api.PlatformErrorCodeResourceNotFound, "")
	}
	_, err = b.s.Append(b.ctx, ada, api.RunnerAppendRequest{})
	wantFailure(t, "a person as runner", err, api.PlatformErrorCodeNotAuthorized, "")
	_, err = b.s.Get(b.ctx, ada, "../secret")
	wantFailure(t, "no id", err, api.PlatformErrorCodeInvalidRequest, "run id")
}
