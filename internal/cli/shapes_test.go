package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
)

var fixed = time.Date(2020, 8, 1, 12, 0, 0, 0, time.UTC)

// evil is server content that must reach no terminal as it is.
const evil = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202e\r"

// farSide answers every request the commands make with fixed values, full of hostile text.
func farSide(t *testing.T) map[string]string {
	t.Helper()
	run := api.RunItem{
		RunId: "run-1", Title: "Title " + evil, Prompt: "Prompt " + evil, State: api.RunStateBLOCKED, CreatedAt: fixed, UpdatedAt: fixed,
		Source: "API", Creator: api.UserProfile{Uid: "u", DisplayName: "Ann " + evil}, ConversationId: "conv-1",
		StatusMessage: api.RunStatusMessage{Message: "waits " + evil}, Waiting: api.RunWaiting{Code: "question", Message: "asks " + evil, Since: fixed},
		RequestUsage: api.RequestUsage{TotalTokens: 1200, InferenceCostUsd: 0.25}, AgentConfig: api.AmbientAgentConfig{Name: "n"},
		Artifacts: []api.Artifact{artifact()}, SessionLink: "http://h/runs/run-1",
	}
	environment := api.CloudEnvironment{Uid: "env-1", LastUpdated: fixed, Scope: api.Scope{Type: "Team"}, Creator: api.UserProfile{Email: "a@b"},
		Config: api.CloudEnvironmentConfig{Name: "backend" + evil, Description: "d", DockerImage: "i", SetupCommands: []string{"make"},
			GithubRepos: []api.GitHubRepo{{Owner: "o", Repo: "r"}}, SourceRepos: []api.SourceRepo{{Owner: "o", Repo: "s", Url: "http://h/o/s.git"}}}}
	schedule := api.ScheduledAgentItem{Id: "sched-1", Name: "nightly" + evil, CronSchedule: "0 3 * * *", TimeZone: "Europe/Berlin", Enabled: true, Prompt: "tidy" + evil,
		Description: "at 03:00", LastSpawnError: "gone" + evil, MissedRuns: "once", MaxCatchUp: 10, Overlap: "skip", Mode: "normal", Scope: api.Scope{Type: "Team"},
		AgentConfig: api.AmbientAgentConfig{EnvironmentId: "env-1", SkillSpec: "o/r:s", McpServers: map[string]api.MCPServerConfig{"m": {Url: "http://m"}}},
		History:     api.ScheduledAgentHistoryItem{LastRan: fixed, NextRun: fixed.Add(24 * time.Hour), LastRunId: "run-1"}}
	conversation := map[string]any{"conversation_id": "conv-1", "steps": []any{map[string]any{"id": "s", "summary": evil, "messages": []any{}, "steps": []any{}}}}
	ack := api.Acknowledgement{RunId: "run-1", State: api.RunStateINPROGRESS}
	key := api.ApiKey{Uid: "key-1", Name: "laptop" + evil, KeySuffix: "abcd", OwnerType: "agent", OwnerUid: "ag", AgentInfo: api.ApiKeyAgent{Uid: "ag", Name: "bot" + evil},
		Scopes: []api.ApiKeyScope{"runs"}, CreatedAt: fixed, LastUsedAt: fixed}
	user := api.User{Uid: "u-2", Name: "Bob" + evil, Email: "b@c", Operator: true, CreatedAt: fixed}
	team := api.Team{Uid: "t", Name: "Team" + evil, CreatedAt: fixed, Role: "admin"}
	member := api.Member{User: api.UserProfile{Uid: "u-2", DisplayName: "Bob" + evil, Email: "b@c"}, Role: "viewer", CreatedAt: fixed}
	shelf := api.MemoryStore{Uid: "shelf-1", OwnerType: "team", OwnerUid: "t" + evil, Description: "d" + evil, CreatedAt: fixed, UpdatedAt: fixed}
	identity := api.AgentResponse{Uid: "agent-1", Name: "fixer" + evil, Available: true, CreatedAt: fixed, UpdatedAt: fixed, Description: "d" + evil,
		Prompt: "Be brief." + evil, Secrets: []api.SecretRef{{Name: "A" + evil}}, Skills: []string{"lint" + evil}, BaseModel: "m", EnvironmentId: "env-1"}
	message := api.MessageBody{MessageId: "m-1", SenderRunId: "run-2" + evil, Subject: "Result" + evil, Body: "It is" + evil + " 42.", SentAt: fixed, ReadAt: fixed}
	secret := api.Secret{Uid: "sec-1", Name: "API_TOKEN", Type: "raw_value", Description: "d" + evil, Scope: api.Scope{Type: "Team"}, CreatedAt: fixed, UpdatedAt: fixed, ValueUpdatedAt: fixed}
	keys := api.MasterKeyState{Keys: []api.MasterKey{{Id: "k1" + evil, Primary: true, DataKeys: 3, Since: fixed}}, Servers: []api.MasterKeyServer{{Instance: "host" + evil, KeyIds: []string{"k1"}, SeenAt: fixed}}}
	one := "one" + evil
	runner := api.ComputeRunner{Uid: "runner-1", LastUpdated: fixed, Scope: api.Scope{Type: "Team"}, Config: api.ComputeRunnerConfig{Name: "big" + evil, Description: "d" + evil,
		InstanceShape: api.RunnerShape{Vcpus: 4, MemoryGb: 8}, Linux: api.LinuxRunner{DockerImage: "i" + evil}, SetupCommands: []string{"make" + evil}}}
	prompt := api.SavedPrompt{Uid: "prompt-1", LastUpdated: fixed, Scope: api.Scope{Type: "User"}, Config: api.SavedPromptConfig{Name: "triage" + evil, Text: "Triage {{a}}\n" + evil,
		Arguments: []api.PromptArgument{{Name: "a", Default: &one}, {Name: "b"}}}}
	server := api.SharedMcpServer{Uid: "mcp-1", LastUpdated: fixed, Scope: api.Scope{Type: "Team"}, Config: api.SharedMcpServerConfig{Name: "tickets" + evil, Description: "d" + evil,
		Command: "npx" + evil, Args: []string{"-y", "x" + evil}, Env: map[string]string{"A": "{{B}}"}}}
	rules := api.Rules{Text: "Be brief." + evil, Scope: api.Scope{Type: "User"}, LastUpdated: fixed}
	answers := map[string]any{
		"GET /mcp-servers": api.ListSharedMcpServersResponse{McpServers: []api.SharedMcpServer{server}}, "POST /mcp-servers": server, "PUT /mcp-servers/mcp-1": server, "DELETE /mcp-servers/mcp-1": nil,
		"GET /rules": api.ListRulesResponse{Rules: []api.Rules{{Text: "All." + evil, Scope: api.Scope{Type: "Team"}}, rules}}, "PUT /rules": rules,
		"GET /runners": api.ListComputeRunnersResponse{Runners: []api.ComputeRunner{runner}}, "POST /runners": runner, "PUT /runners/runner-1": runner, "DELETE /runners/runner-1": nil,
		"GET /prompts": api.ListSavedPromptsResponse{Prompts: []api.SavedPrompt{prompt}}, "POST /prompts": prompt, "PUT /prompts/prompt-1": prompt, "DELETE /prompts/prompt-1": nil,
		"GET /base-images": api.ListBaseImagesResponse{Images: []api.BaseImage{{Image: "debian:12" + evil, Repository: "debian", Tag: "12"}}},
		"GET /secrets":     api.ListSecretsResponse{Secrets: []api.Secret{secret}}, "POST /secrets": secret, "PUT /secrets/sec-1": secret, "DELETE /secrets/sec-1": nil,
		"GET /secrets/sec-1/uses": api.ListSecretUsesResponse{Uses: []api.SecretUse{{RunId: "run-1" + evil, Execution: 1, Phase: "agent", At: fixed}}},
		"GET /master-key":         keys, "POST /master-key/rotate": keys,
		"POST /agent/messages": api.SendMessageResponse{MessageIds: []string{"m-1" + evil}}, "POST /agent/messages/m-1/read": message, "POST /agent/messages/m-1/delivered": nil,
		"GET /agent/messages/run-1": []api.MessageHeader{{MessageId: "m-1", SenderRunId: "run-2", Subject: "Result" + evil, SentAt: fixed, DeliveredAt: fixed}},
		"GET /api-keys":             api.ListApiKeysResponse{ApiKeys: []api.ApiKey{key}}, "POST /api-keys": api.CreateApiKeyResponse{RawApiKey: "wk-1.x" + evil, ApiKey: key},
		"PUT /api-keys/key-1": key, "DELETE /api-keys/key-1": key,
		"GET /users": api.ListUsersResponse{Users: []api.User{user}}, "PUT /users/u-2/operator": user, "POST /users/u-2/disable": user, "POST /users/u-2/enable": user,
		"POST /users/u-2/sign-in-link": api.SignInLink{Url: "http://h/sign-in/link/x" + evil, ExpiresAt: fixed},
		"GET /me/sign-ins":             api.ListSignInsResponse{SignIns: []api.SignIn{{Uid: "s", Method: "password", Device: "Firefox" + evil, Address: "127.0.0.1", CreatedAt: fixed, LastSeenAt: fixed, ExpiresAt: fixed}}}, "DELETE /me/sign-ins/s": nil,
		"GET /teams/t/invitations": api.ListInvitationsResponse{Invitations: []api.Invitation{{Uid: "i", Email: "c@d" + evil, Role: "member", CreatedAt: fixed, ExpiresAt: fixed}}}, "DELETE /teams/t/invitations/i": nil,
		"GET /teams": api.ListTeamsResponse{Teams: []api.Team{team}}, "POST /teams": team,
		"GET /teams/t/members": api.ListMembersResponse{Members: []api.Member{member}}, "PUT /teams/t/members/u-2": member, "DELETE /teams/t/members/u-2": nil,
		"POST /teams/t/invitations":   api.CreateInvitationResponse{Url: "http://h/invitation/x" + evil, Invitation: api.Invitation{Uid: "i", Email: "c@d", Role: "member", CreatedAt: fixed, ExpiresAt: fixed}},
		"GET /agent/runs":             api.ListRunsResponse{Runs: []api.RunItem{run}, PageInfo: api.PageInfo{HasNextPage: true, NextCursor: "c" + evil}},
		"POST /agent/runs":            api.RunAgentResponse{RunId: "run-1", State: api.RunStateQUEUED, AtCapacity: true},
		"POST /agent/runs/run-1/fork": api.RunAgentResponse{RunId: "run-2", State: api.RunStateBLOCKED}, "POST /agent/runs/run-1/retry": api.RunAgentResponse{RunId: "run-1", State: api.RunStateQUEUED},
		"POST /agent/runs/archive":   api.KeptRuns{Matched: 2, Changed: 3, Skipped: []api.KeptNot{}, DryRun: true, More: true},
		"POST /agent/runs/unarchive": api.KeptRuns{Matched: 1, Changed: 1, Skipped: []api.KeptNot{}},
		"POST /agent/runs/delete":    api.KeptRuns{Matched: 2, Changed: 1, Skipped: []api.KeptNot{{RunId: "run-9", Reason: "has not ended" + evil}}},
		"GET /agent/runs/run-1":      run, "POST /agent/runs/run-1/cancel": "run-1", "POST /agent/runs/run-1/followups": ack,
		"POST /agent/runs/run-1/interrupt": ack, "POST /agent/runs/run-1/requests/perm/answer": ack, "POST /agent/runs/run-1/requests/quest/answer": ack,
		"GET /agent/runs/run-1/requests": api.ListRequestsResponse{Requests: []api.RunRequest{
			{Id: "old", Kind: "permission", Prompt: "p", Answer: api.RunAnswer{AnsweredAt: fixed}}, {Id: "perm", Kind: "permission", Prompt: "p"}, {Id: "quest", Kind: "question", Prompt: "q"}}},
		"GET /agent/runs/run-1/conversation": conversation, "GET /agent/conversations/conv-1": conversation,
		"GET /agent/runs/run-1/artifacts": api.ListArtifactsResponse{Artifacts: []api.Artifact{artifact()}},
		"GET /agent/runs/run-1/timeline": api.TimelineResponse{Events: []api.TimelineEvent{{At: fixed, Kind: "state", Name: "QUEUED"},
			{At: fixed.Add(time.Second), Kind: "phase", Name: "clone", DurationMs: 40, Error: true, Message: evil}}},
		"GET /agent/runs/run-1/usage": api.ListUsageResponse{Calls: []api.UsageCall{{Id: "c", At: fixed, Provider: "anthropic", ModelId: "m" + evil, InputTokens: 7, Status: 200, Priced: true, CostUsd: 0.5}}},
		"GET /agent/artifacts/art-1":  api.ArtifactContent{ArtifactUid: "art-1", ArtifactType: "PLAN", CreatedAt: fixed, Data: api.ArtifactContentData{Title: "../../etc/" + evil, Content: "text", ContentType: "text/markdown"}},
		"GET /agent/models":           api.ListModelsResponse{DefaultModelId: "scripted", Models: []api.ModelInfo{{Id: "scripted", DisplayName: "S" + evil, Provider: "UNKNOWN", Scripted: true}}},
		"GET /agent": api.ListAgentsResponse{Agents: []api.AgentListItem{{Name: "skill" + evil, Variants: []api.AgentListVariant{{Id: "o/r:s", Description: evil,
			Environments: []api.AgentListEnvironment{{Uid: "env-1", Name: evil}}}}}}},
		"GET /agent/environments":       api.ListEnvironmentsResponse{Environments: []api.CloudEnvironment{environment}},
		"POST /agent/environments":      environment,
		"GET /agent/environments/env-1": environment, "PUT /agent/environments/env-1": environment, "DELETE /agent/environments/env-1": nil,
		"GET /memory_stores": api.ListMemoryStoresResponse{MemoryStores: []api.MemoryStore{shelf}}, "POST /memory_stores": shelf,
		"GET /memory_stores/shelf-1": shelf, "PUT /memory_stores/shelf-1": shelf,
		"GET /memory_stores/shelf-1/agents":                  api.ListMemoryStoreAgentsResponse{Agents: []api.MemoryStoreAgent{{Uid: "agent-1", Name: "fixer" + evil, Access: "read_only", Instructions: "Look." + evil}}},
		"GET /memory_stores/shelf-1/memories":                api.ListMemoriesResponse{Memories: []api.Memory{{Uid: "mem-1", Content: "Thursdays." + evil, VersionId: "v", Source: "RUN", SourceRunId: "run-1", CreatedAt: fixed, UpdatedAt: fixed}}},
		"POST /memory_stores/shelf-1/memories":               api.MemoryWritten{MemoryId: "mem-1", VersionId: "v"},
		"PUT /memory_stores/shelf-1/memories/mem-1":          api.MemoryWritten{MemoryId: "mem-1", VersionId: "w"},
		"DELETE /memory_stores/shelf-1/memories/mem-1":       nil,
		"GET /memory_stores/shelf-1/memories/mem-1/versions": api.ListMemoryVersionsResponse{Versions: []api.MemoryVersion{{Uid: "v", Version: "1" + evil, Content: "c" + evil, Reason: "r" + evil, CreatedAt: fixed, RunId: "run-1"}}},
		"GET /agent/identities":                              api.ListAgentIdentitiesResponse{Agents: []api.AgentResponse{identity, {Uid: "agent-2", Name: "over"}}},
		"POST /agent/identities":                             identity, "GET /agent/identities/agent-1": identity, "PUT /agent/identities/agent-1": identity,
		"DELETE /agent/identities/agent-1": nil,
		"GET /teams/t/defaults":            api.TeamDefaults{WorkerHost: "build" + evil}, "PUT /teams/t/defaults": api.TeamDefaults{ModelId: "m" + evil},
		"GET /agent/schedules": api.ListScheduledAgentsResponse{Schedules: []api.ScheduledAgentItem{schedule}}, "POST /agent/schedules": schedule,
		"GET /agent/schedules/sched-1": schedule, "PUT /agent/schedules/sched-1": schedule, "DELETE /agent/schedules/sched-1": api.DeleteScheduledAgentResponse{Success: true},
		"POST /agent/schedules/sched-1/pause": schedule, "POST /agent/schedules/sched-1/resume": schedule, "POST /agent/schedules/sched-1/run": api.RunAgentResponse{RunId: "run-1"},
		"GET /agent/schedules/sched-1/history": api.ListScheduleTicksResponse{Ticks: []api.ScheduleTick{{At: fixed, Outcome: "started", RunId: "run-1", RecordedAt: fixed},
			{At: fixed, First: fixed.Add(-time.Hour), Outcome: "skipped", Reason: "Missed" + evil, RecordedAt: fixed}}},
		"POST /agent/schedules/preview":         api.SchedulePreview{Description: "at 03:00" + evil, TimeZone: "UTC", NextRuns: []time.Time{fixed}},
		"POST /agent/runs/run-1/identity-token": api.IdentityTokenResponse{Token: "e30.e30.c2ln" + evil, ExpiresAt: fixed, Issuer: "http://cadre" + evil},
		"POST /harness-support/report-artifact": api.ReportArtifactResponse{ArtifactUid: "art-9" + evil}, "POST /harness-support/notify-user": struct{}{},
		"POST /harness-support/finish-task": struct{}{}, "POST /harness-support/report-shutdown": struct{}{},
		"GET /whoami": api.WhoamiResponse{Uid: "u", Type: "user", DisplayName: "Ann" + evil, Email: "a@b", TeamUids: []string{"t"}, TeamNames: []string{"Team" + evil}, Role: "admin"},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, api.BasePath)
		if path == "/agent/runs/run-1/transcript" {
			fmt.Fprint(w, `{"entries":[]}`)
			return
		}
		if path == "/agent/runs/run-1/entries" {
			_ = json.NewEncoder(w).Encode(api.ListEntriesResponse{Entries: entriesAfter(r.URL.Query().Get("after"))})
			return
		}
		if path == "/agent/runs/run-1/blobs/blob-1" {
			fmt.Fprint(w, "whole "+evil)
			return
		}
		if path == "/agent/runs/run-1/stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			for i, d := range []api.EntryData{api.UserMessage{Text: evil}, api.AgentMessage{Text: "done " + evil}, api.StateChange{To: api.RunStateFAILED, Message: evil}} {
				n := api.MakeEntry(fixed, d)
				b, _ := json.Marshal(api.Entry{Seq: int64(i + 1), Type: n.Type, CreatedAt: fixed, Data: n.Data})
				fmt.Fprintf(w, "event: entry\ndata: %s\n\n", b)
			}
			fmt.Fprint(w, "event: end\ndata: {}\n\n")
			return
		}
		v, ok := answers[r.Method+" "+path]
		if !ok {
			t.Errorf("unexpected request %s %s", r.Method, path)
		}
		w.Header().Set("Content-Type", "application/json")
		if v == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_ = json.NewEncoder(w).Encode(v)
	}))
	t.Cleanup(srv.Close)
	return map[string]string{"CADRE_SERVER_URL": srv.URL, "CADRE_API_KEY": "k", "XDG_CONFIG_HOME": t.TempDir(), "stdin": "from stdin"}
}

// entriesAfter is the record of run-1: a short output and one stored apart.
func entriesAfter(after string) []api.Entry {
	list := []api.Entry{}
	for i, d := range []api.EntryData{
		api.Action{ID: "a", Name: "bash", Input: json.RawMessage(`{"command":"make \u001b[2J"}`)},
		api.ActionResult{ActionID: "a", Name: "bash", State: api.ActionStateCompleted, Output: "built " + evil},
		api.AgentMessage{Text: "and"},
		api.Action{ID: "b", Name: "read_file", Input: json.RawMessage(`{"path":"log"}`)},
		api.ActionResult{ActionID: "b", Name: "read_file", State: api.ActionStateFailed, Output: "wh", Blob: "blob-1", OmittedBytes: 1 << 20},
		api.Action{ID: "c", Name: "bash"},
	} {
		if n := api.MakeEntry(fixed, d); fmt.Sprint(i+1) > after {
			list = append(list, api.Entry{Seq: int64(i + 1), Type: n.Type, CreatedAt: fixed, Data: n.Data})
		}
	}
	return list
}

func artifact() api.Artifact {
	return api.Artifact{ArtifactType: "FILE", CreatedAt: fixed, Data: api.ArtifactData{ArtifactUid: "art-1", Filename: "a.patch" + evil, MimeType: "text/x-patch", SizeBytes: 1420}}
}

// lines has a command line for every command that talks to a server; noLines says why others have
// none. A new command must be put into one of them.
var lines = map[string]string{
	"agent list": "", "memory-store list": "", "memory-store get": "shelf-1", "memory-store create": "", "memory-store update": "shelf-1 -d d",
	"memory-store list-store-agents": "shelf-1", "memory list": "shelf-1", "memory create": "shelf-1 -c c -r r", "memory update": "mem-1 -s shelf-1 -c c -r r",
	"memory delete": "mem-1 -s shelf-1", "memory versions": "mem-1 -s shelf-1", "agent get": "agent-1", "agent create": "--name n --secret A", "agent update": "agent-1 --prompt p --add-skill s --remove-secret A", "agent delete": "agent-1", "team defaults": "", "team set-defaults": "--host h", "agent skills": "-r o/r", "agent run-cloud": "--prompt /plan__x --environment env-1 --follow",
	"artifact get": "art-1", "artifact download": "art-1 -o -",
	"harness-support ping": "--run-id run-1", "harness-support report-artifact pull-request": "--run-id run-1 --url http://u --branch b",
	"harness-support report-artifact external-reference": "--run-id run-1 --url http://u --reference-type t", "harness-support report-external-reference": "--run-id run-1 --url http://u --reference-type t --metadata {}",
	"harness-support notify-user": "--run-id run-1 --message hello", "harness-support finish-task": "--run-id run-1 --status success --summary done",
	"harness-support report-shutdown": "--run-id run-1 --error-category process_exit --error-message died",
	"environment list":                "", "environment get": "env-1", "environment create": "-n backend -r o/r -c make --personal",
	"environment update": "env-1 --remove-repo o/r -c more", "environment delete": "env-1",
	"schedule": "--name n --cron @daily --prompt x", "schedule create": "--name n --cron @daily --prompt /plan__x --missed all --max-catch-up 3 --overlap queue-after --jitter 5m --personal",
	"schedule list": "", "schedule get": "sched-1", "schedule update": "sched-1 --cron @hourly --remove-skill --remove-mcp m --remove-environment", "schedule pause": "sched-1",
	"schedule unpause": "sched-1", "schedule delete": "sched-1", "schedule run": "sched-1", "schedule history": "sched-1", "schedule preview": "@daily",
	"model list": "", "whoami": "",
	"runner list": "--sort-by name", "runner create": "-n big --os macos --macos-version 15 --personal", "runner update": "runner-1 --vcpus 8 --memory-gb 16", "runner delete": "runner-1 --force",
	"prompt list": "", "prompt get": "prompt-1", "prompt create": "-n triage --text x", "prompt update": "prompt-1 -f - --argument a=2", "prompt delete": "prompt-1",
	"environment image list": "",
	"mcp list":               "", "mcp create": "tickets --url http://h --header A:b", "mcp update": "mcp-1 --env A=b", "mcp delete": "mcp-1 --force", "rules show": "", "rules set": "--personal",
	"federate issue-token": "--run-id run-1 --audience sts.amazonaws.com --subject-template teams host --duration 15m", "federate issue-gcp-token": "--run-id run-1 --audience //iam.googleapis.com/x",
	"run list": "--state blocked -L 1", "run get": "run-1", "run follow": "run-1", "run send": "run-1 hello", "run approve": "run-1", "run answer": "run-1 yes",
	"run interrupt": "run-1", "run cancel": "run-1", "run conversation": "run-1", "run conversation get": "conv-1", "run transcript": "run-1", "run output": "run-1 2",
	"run message send": "--to run-1 --subject Result --body It__is__42. --sender-run-id run-2", "run message list": "run-1 --unread --since 2026-03-01T09:00:00Z",
	"run message read": "m-1", "run message mark-delivered": "m-1",
	"run fork": "run-1 --at 3 -p more", "run retry": "run-1", "run archive": "--state failed --dry-run", "run unarchive": "run-1", "run delete": "run-1 run-9",
	"run artifacts": "run-1", "run timeline": "run-1", "run usage": "run-1",
	"api-key list": "--sort-by name", "api-key create": "laptop --no-expiration --team", "api-key rename": "key-1 desk", "api-key expire": "key-1",
	"team list": "", "team create": "Team", "team members": "", "team invite": "c@d --role member", "team set-role": "u-2 member", "team remove": "b@c", "team set-operator": "b@c", "team invitations list": "", "team invitations revoke": "i",
	"user list": "", "user disable": "b@c", "user enable": "u-2", "user sign-in-link": "b@c", "user operator": "b@c", "sign-in list": "", "sign-in revoke": "s",
	"secret list": "", "secret create": "API_TOKEN -d d", "secret create claude api-key": "API_TOKEN", "secret create claude bedrock-api-key": "API_TOKEN --bedrock-api-key k --region r",
	"secret create claude bedrock-access-key": "API_TOKEN --access-key-id i --secret-access-key k --session-token t --region r", "secret create codex api-key": "API_TOKEN",
	"secret update": "API_TOKEN -d more", "secret delete": "API_TOKEN --force", "secret uses": "API_TOKEN", "secret master-key": "", "secret rotate-master-key": "--key k1",
	"version": "", "config list": "",
}

var noLines = map[string]string{
	"up": "runs until stopped", "server": "runs until stopped", "worker": "runs until stopped", "demo": "a story of its own", "run message watch": "runs until stopped", "agent run": "a story of its own", "mcp check": "a story of its own",
	"login": "a story of its own", "login-link": "opens a database", "artifact upload": "sends a file: the end-to-end test", "logout": "a story of its own", "completion": "prints a script", "dump-debug-info": "differs by machine",
	"dev bench": "measures this machine", "dev seed": "fills a database",
	"secret new-master-key": "makes another one each time",
	"config get":            "settings test", "config set": "settings test", "config path": "settings test",
}

// TestOutputOfEveryCommand holds the output of each command in each format to golden files, and
// makes sure that nothing hostile gets through.
func TestOutputOfEveryCommand(t *testing.T) {
	env := farSide(t)
	tree(t, func(c *cobra.Command) {
		path := strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "cadre"), " ")
		if c.Annotations["body"] == "" {
			return
		}
		line, ok := lines[path]
		if !ok {
			if noLines[path] == "" {
				t.Errorf("%q is in neither lines nor noLines", path)
			}
			return
		}
		var got strings.Builder
		for _, f := range []format{formatPretty, formatText, formatJSON, formatNDJSON} {
			args := append([]string{"cadre", "--output-format", string(f)}, strings.Fields(path)...)
			for _, arg := range strings.Fields(line) {
				args = append(args, strings.ReplaceAll(arg, "__", " "))
			}
			code, out, errs := invoke(t, env, args...)
			out = strings.ReplaceAll(out, env["CADRE_SERVER_URL"], "http://server")
			fmt.Fprintf(&got, "== %s, exit %d\n%s", f, code, out)
			if errs != "" {
				fmt.Fprintf(&got, "-- stderr\n%s", errs)
			}
			got.WriteString("\n")
			for _, bad := range []string{"\x1b", "\r", "\x07", "\u009b", "\u202e"} {
				if strings.Contains(out+errs, bad) {
					t.Errorf("%v lets %q through", args, bad)
				}
			}
		}
		golden(t, "output/"+strings.ReplaceAll(path, " ", "-")+".txt", got.String())
	})
}

func TestJQ(t *testing.T) {
	env := farSide(t)
	for _, c := range []struct{ args, want string }{
		{"run list --jq .runs[].state", "BLOCKED\n"},
		{"run list --jq .runs[0].request_usage.total_tokens,.runs[0].artifacts[0].data.size_bytes", "1200\n1420\n"},
		{"run get run-1 --jq .title", "Title ␛]0;owned␇␛[2J\ufffd31m\ufffd␍\n"},
		{"run get run-1 --jq {t:.prompt}", `{"t":"Prompt \u001b]0;owned\u0007\u001b[2J\u009b31m\u202e\r"}` + "\n"},
		{"environment list --jq .[].id", "env-1\n"},
		{"run artifacts run-1 --jq length", "1\n"},
		{"run get run-1 --jq empty", ""},
	} {
		code, out, errs := invoke(t, env, append([]string{"cadre"}, strings.Fields(c.args)...)...)
		if code != 0 || out != c.want {
			t.Errorf("%s: exit %d, %q, %s; want %q", c.args, code, out, errs, c.want)
		}
	}
	if code, _, errs := invoke(t, env, "cadre", "run", "list", "--jq", ".runs.x"); code != exitFailure || !strings.HasPrefix(errs, "--jq") {
		t.Errorf("exit %d, %s", code, errs)
	}
	env["HOME"] = "secret"
	if _, out, _ := invoke(t, env, "cadre", "run", "list", "--jq", "env|length"); out != "0\n" {
		t.Errorf("a filter sees the environment: %s", out)
	}
}

func TestExitStatusOfFollow(t *testing.T) {
	env := farSide(t)
	if code, _, _ := invoke(t, env, "cadre", "run", "follow", "run-1"); code != 0 {
		t.Errorf("exit %d without --exit-status", code)
	}
	code, _, errs := invoke(t, env, "cadre", "run", "follow", "run-1", "--exit-status")
	if code != exitFailure || errs != "" {
		t.Errorf("exit %d, %q with --exit-status", code, errs)
	}
}

func TestDownloadedNamesStayInTheDirectory(t *testing.T) {
	for in, want := range map[string]string{
		"../../etc/passwd": "passwd", "..": "artifact", "": "artifact", ".bashrc": "bashrc", `..\..\x`: "x", "/": "artifact", "-rf": "rf", "a b.txt": "a b.txt",
	} {
		if got := safeName(in); got != want {
			t.Errorf("safeName(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestErrorsAreCleaned shows that a server's words reach stderr cleaned, as causes do.
func TestErrorsAreCleaned(t *testing.T) {
	err := fmt.Errorf("follow run x: %w", &api.Failure{Code: api.PlatformErrorCodeNotAuthorized, Detail: "no " + evil})
	want := "follow run x\n=> no ␛]0;owned␇␛[2J\ufffd31m\ufffd␍\n=> this key may not do that; 'cadre whoami' shows whose it is\n"
	if got := explainError(err); got != want {
		t.Errorf("got %q", got)
	}
}
