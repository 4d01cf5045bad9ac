package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/server"
)

// bad is a request that must be refused with invalid_request, naming what is wrong.
type bad struct {
	name, method, path, body string
	names                    string // what the detail begins with
	status                   int    // 400 unless given
	header                   http.Header
}

// badRequests is a table over every endpoint that takes something. {run} is a run's id.
var badRequests = []bad{
	{name: "no prompt", path: "/agent/runs", body: `{}`, names: "prompt"},
	{name: "null", path: "/agent/runs", body: `null`, names: "prompt"},
	{name: "empty", path: "/agent/runs", body: ``, names: "prompt"},
	{name: "array", path: "/agent/runs", body: `[]`, names: "body"},
	{name: "string", path: "/agent/runs", body: `"x"`, names: "body"},
	{name: "not JSON", path: "/agent/runs", body: `{"prompt":`, names: "body"},
	{name: "trailing", path: "/agent/runs", body: `{"prompt":"x"} y`, names: "body"},
	{name: "two values", path: "/agent/runs", body: `{"prompt":"x"}{}`, names: "body"},
	{name: "deep", path: "/agent/runs", body: `{"prompt":"x","z":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`, names: "body"},
	{name: "bad UTF-8", path: "/agent/runs", body: "{\"prompt\":\"\xff\"}", names: "body"},
	{name: "prompt number", path: "/agent/runs", body: `{"prompt":7}`, names: "prompt"},
	{name: "NUL", path: "/agent/runs", body: `{"prompt":"a\u0000b"}`, names: "prompt"},
	{name: "NUL in name", path: "/agent/runs", body: `{"prompt":"x","config":{"name":"a\u0000"}}`, names: "config.name"},
	{name: "NUL in key", path: "/agent/runs", body: `{"prompt":"x","metadata":{"a\u0000":"b"}}`, names: "metadata"},
	{name: "config string", path: "/agent/runs", body: `{"prompt":"x","config":"y"}`, names: "config"},
	{name: "idle string", path: "/agent/runs", body: `{"prompt":"x","config":{"idle_timeout_minutes":"5"}}`, names: "config.idle_timeout_minutes"},
	{name: "idle too long", path: "/agent/runs", body: `{"prompt":"x","config":{"idle_timeout_minutes":61}}`, names: "config.idle_timeout_minutes"},
	{name: "idle negative", path: "/agent/runs", body: `{"prompt":"x","config":{"idle_timeout_minutes":-1}}`, names: "config.idle_timeout_minutes"},
	{name: "idle overflow", path: "/agent/runs", body: `{"prompt":"x","config":{"idle_timeout_minutes":99999999999}}`, names: "config.idle_timeout_minutes"},
	{name: "idle fraction", path: "/agent/runs", body: `{"prompt":"x","config":{"idle_timeout_minutes":1.5}}`, names: "config.idle_timeout_minutes"},
	{name: "mode", path: "/agent/runs", body: `{"prompt":"x","mode":"fast"}`, names: "mode"},
	{name: "harness", path: "/agent/runs", body: `{"prompt":"x","config":{"harness":{"type":"emacs"}}}`, names: "config.harness.type"},
	{name: "permission default", path: "/agent/runs", body: `{"prompt":"x","config":{"permissions":{"default":"maybe"}}}`, names: "config.permissions.default"},
	{name: "model", path: "/agent/runs", body: `{"prompt":"x","config":{"model_id":"no such model"}}`, names: "model_id"},
	{name: "parent", path: "/agent/runs", body: `{"prompt":"x","parent_run_id":"nope"}`, names: "parent_run_id"},
	{name: "conversation", path: "/agent/runs", body: `{"prompt":"x","conversation_id":"nope"}`, names: "conversation_id"},
	{name: "attachment base64", path: "/agent/runs", body: `{"prompt":"x","attachments":[{"file_name":"a","mime_type":"image/png","data":"%%%"}]}`, names: "attachments[0].data"},
	{name: "attachment name", path: "/agent/runs", body: `{"prompt":"x","attachments":[{"mime_type":"image/png","data":"AAAA"}]}`, names: "attachments[0].file_name"},
	{name: "attachments", path: "/agent/runs", body: `{"prompt":"x","attachments":[` + strings.TrimSuffix(strings.Repeat(`{"file_name":"a","mime_type":"b","data":"AAAA"},`, 26), ",") + `]}`, names: "attachments"},
	{name: "metadata type", path: "/agent/runs", body: `{"prompt":"x","metadata":{"a":1}}`, names: "metadata"},
	{name: "metadata key", path: "/agent/runs", body: `{"prompt":"x","metadata":{"a b":"1"}}`, names: "metadata"},
	{name: "metadata count", path: "/agent/runs", body: `{"prompt":"x","metadata":{` + manyPairs(21) + `}}`, names: "metadata"},
	{name: "metadata value", path: "/agent/runs", body: `{"prompt":"x","metadata":{"a":"` + strings.Repeat("v", 257) + `"}}`, names: "metadata"},
	{name: "content type", path: "/agent/runs", body: `prompt=x`, names: "Content-Type", status: 415, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}},
	{name: "content type nonsense", path: "/agent/runs", body: `{}`, names: "Content-Type", status: 415, header: http.Header{"Content-Type": {";;;"}}},
	{name: "too large", path: "/agent/runs", body: `{"prompt":"` + strings.Repeat("x", 70<<10) + `"}`, names: "body", status: 413},
	{name: "alias", path: "/agent/run", body: `{"prompt":[]}`, names: "prompt"},

	{name: "local: prompt", path: "/agent/local-runs", body: `{}`, names: "prompt"},
	{name: "local: source", path: "/agent/local-runs", body: `{"prompt":"x","source":"SLACK"}`, names: "source"},

	{name: "limit 0", method: "GET", path: "/agent/runs?limit=0", names: "limit"},
	{name: "limit 501", method: "GET", path: "/agent/runs?limit=501", names: "limit"},
	{name: "limit word", method: "GET", path: "/agent/runs?limit=ten", names: "limit"},
	{name: "limit huge", method: "GET", path: "/agent/runs?limit=99999999999999999999", names: "limit"},
	{name: "sort", method: "GET", path: "/agent/runs?sort_by=size", names: "sort_by"},
	{name: "order", method: "GET", path: "/agent/runs?sort_order=up", names: "sort_order"},
	{name: "state", method: "GET", path: "/agent/runs?state=QUEUED&state=DONE", names: "state"},
	{name: "state empty", method: "GET", path: "/agent/runs?state=", names: "state"},
	{name: "source", method: "GET", path: "/agent/runs?source=PIGEON", names: "source"},
	{name: "location", method: "GET", path: "/agent/runs?execution_location=MOON", names: "execution_location"},
	{name: "artifact type", method: "GET", path: "/agent/runs?artifact_type=CAKE", names: "artifact_type"},
	{name: "time", method: "GET", path: "/agent/runs?created_after=yesterday", names: "created_after"},
	{name: "ancestor", method: "GET", path: "/agent/runs?ancestor_run_id=nope", names: ""},
	{name: "parent", method: "GET", path: "/agent/runs?parent_run_id=nope", names: ""},
	{name: "cursor", method: "GET", path: "/agent/runs?cursor=nonsense", names: "cursor"},
	{name: "search NUL", method: "GET", path: "/agent/runs?q=a%00b", names: "q"},
	{name: "search UTF-8", method: "GET", path: "/agent/runs?q=%ff", names: "q"},
	{name: "query escape", method: "GET", path: "/agent/runs?state=%zz", names: "query"},
	{name: "query semicolon", method: "GET", path: "/agent/runs?state=QUEUED;name=x", names: "query"},
	{name: "metadata plain", method: "GET", path: "/agent/runs?metadata=x", names: "metadata"},
	{name: "metadata nested", method: "GET", path: "/agent/runs?metadata[a][b]=x", names: "metadata"},
	{name: "metadata no key", method: "GET", path: "/agent/runs?metadata[]=x", names: "metadata"},
	{name: "metadata twice", method: "GET", path: "/agent/runs?metadata[a]=x&metadata[a]=y", names: "metadata"},
	{name: "skill twice", method: "GET", path: "/agent/runs?skill=a&skill_spec=b", names: "skill"},
	{name: "metadata 6", method: "GET", path: "/agent/runs?metadata[a]=1&metadata[b]=1&metadata[c]=1&metadata[d]=1&metadata[e]=1&metadata[f]=1", names: "metadata"},
	{name: "metadata and more", method: "GET", path: "/agent/runs?metadata[a]=1&metadata[b]=1&metadata[c]=1&metadata[d]=1&metadata[e]=1&automation_id=x", names: "metadata"},

	{name: "run id", method: "GET", path: "/agent/runs/nope", names: "runId"},
	{name: "run id with NUL", method: "GET", path: "/agent/runs/%00", names: "runId"},
	{name: "run id urn", method: "GET", path: "/agent/runs/urn:uuid:00000000-0000-0000-0000-000000000000", names: "runId"},
	{name: "cancel bad id", path: "/agent/runs/nope/cancel", names: "runId"},
	{name: "cancel bad JSON", path: "/agent/runs/{run}/cancel", body: `{`, names: "body"},
	{name: "conversation id", method: "GET", path: "/agent/conversations/nope", names: "conversationId"},
	{name: "artifact id", method: "GET", path: "/agent/artifacts/%ff", names: "artifactUid"},
	{name: "environment id", method: "GET", path: "/agent/environments/a%20b", names: "environmentId"},

	{name: "follow-up empty", path: "/agent/runs/{run}/followups", body: `{}`, names: "message"},
	{name: "follow-up null", path: "/agent/runs/{run}/followups", body: `null`, names: "message"},
	{name: "follow-up blank", path: "/agent/runs/{run}/followups", body: `{"message":"  "}`, names: "message"},
	{name: "follow-up type", path: "/agent/runs/{run}/followups", body: `{"message":{}}`, names: "message"},
	{name: "follow-up mode", path: "/agent/runs/{run}/followups", body: `{"message":"x","mode":"y"}`, names: "mode"},
	{name: "answer decision", path: "/agent/runs/{run}/requests/r/answer", body: `{"decision":"perhaps"}`, names: "decision"},
	{name: "answer choices", path: "/agent/runs/{run}/requests/r/answer", body: `{"choices":"a"}`, names: "choices"},

	{name: "entries after", method: "GET", path: "/agent/runs/{run}/entries?after=-1", names: "after"},
	{name: "entries after word", method: "GET", path: "/agent/runs/{run}/entries?after=x", names: "after"},
	{name: "entries limit", method: "GET", path: "/agent/runs/{run}/entries?limit=1001", names: "limit"},
	{name: "stream after", method: "GET", path: "/agent/runs/{run}/stream?after=-1", names: "after"},
	{name: "stream after too far", method: "GET", path: "/agent/runs/{run}/stream?after=1000", names: "after"},
	{name: "stream last id", method: "GET", path: "/agent/runs/{run}/stream", names: "Last-Event-ID", header: http.Header{"Last-Event-Id": {"x"}}},

	{name: "environment", path: "/agent/environments", body: `{"config":[]}`, names: "config"},
	{name: "environment description", path: "/agent/environments", body: `{"config":{"description":"` + strings.Repeat("d", 241) + `"}}`, names: "config.description"},
	{name: "environment retention", path: "/agent/environments", body: `{"config":{"failure_session_retention_minutes":0}}`, names: "config.failure_session_retention_minutes"},
	{name: "environment repo", path: "/agent/environments", body: `{"config":{"github_repos":[{"owner":"a"}]}}`, names: "config.github_repos[0].repo"},
	{name: "environment over ssh", path: "/agent/environments", body: `{"config":{"source_repos":[{"owner":"o","repo":"r","url":"ssh://git@h/o/r"}]}}`, names: "config.source_repos[0].url"},
	{name: "environment on a file host", path: "/agent/environments", body: `{"config":{"source_repos":[{"owner":"o","repo":"r","url":"file://srv/r"}]}}`, names: "config.source_repos[0].url"},
	{name: "environment source", path: "/agent/environments", body: `{"config":{"source_repos":[{}]}}`, names: "config.source_repos[0].owner"},
	{name: "environment forge", path: "/agent/environments", body: `{"config":{"code_forge":"SVN"}}`, names: "config.code_forge"},
	{name: "environments sort", method: "GET", path: "/agent/environments?sort_by=size", names: "sort_by"},
	{name: "skills flag", method: "GET", path: "/agent?refresh=maybe", names: "refresh"},

	{name: "secret name", path: "/secrets", body: `{"name":"1X","value":{"value":"v"}}`, names: "name"},
	{name: "secret reserved", path: "/secrets", body: `{"name":"cadre_key","value":{"value":"v"}}`, names: "name"},
	{name: "secret path", path: "/secrets", body: `{"name":"PATH","value":{"value":"v"}}`, names: "name"},
	{name: "secret without value", path: "/secrets", body: `{"name":"X"}`, names: "value"},
	{name: "secret empty", path: "/secrets", body: `{"name":"X","value":{"value":""}}`, names: "value.value"},
	{name: "secret NUL", path: "/secrets", body: `{"name":"X","value":{"value":"a\u0000b"}}`, names: "value.value"},
	{name: "secret size", path: "/secrets", body: `{"name":"X","value":{"value":"` + strings.Repeat("v", 131072-2) + `"}}`, names: "value.value"},
	{name: "secret region size", path: "/secrets", body: `{"name":"X","type":"ANTHROPIC_BEDROCK_API_KEY","value":{"aws_bearer_token_bedrock":"k","aws_region":"` + strings.Repeat("r", 131072-11) + `"}}`, names: "value.aws_region"},
	{name: "secret type", path: "/secrets", body: `{"name":"X","type":"SONG","value":{"value":"v"}}`, names: "type"},
	{name: "secret member", path: "/secrets", body: `{"name":"X","type":"ANTHROPIC_API_KEY","value":{"value":"v"}}`, names: "value.api_key"},
	{name: "secret foreign member", path: "/secrets", body: `{"name":"X","value":{"value":"v","api_key":"k"}}`, names: "value"},
	{name: "secret key", path: "/secrets", body: `{"name":"X","type":"OPENAI_API_KEY","value":{"api_key":"a b"}}`, names: "value.api_key"},
	{name: "secret base", path: "/secrets", body: `{"name":"X","type":"OPENAI_API_KEY","value":{"api_key":"k","base_url":"file:///etc"}}`, names: "value.base_url"},
	{name: "secret data", path: "/secrets", body: `{"name":"X","type":"FILE","value":{"data":"%%"}}`, names: "value.data"},
	{name: "secret no data", path: "/secrets", body: `{"name":"X","type":"FILE","value":{}}`, names: "value"},
	{name: "secret file name", path: "/secrets", body: `{"name":"X","type":"FILE","file_name":"../x","value":{"value":"v"}}`, names: "file_name"},
	{name: "secret file name of a value", path: "/secrets", body: `{"name":"X","file_name":"x","value":{"value":"v"}}`, names: "file_name"},
	{name: "secret description", path: "/secrets", body: `{"name":"X","description":"a\nb","value":{"value":"v"}}`, names: "description"},
	{name: "uses limit", method: "GET", path: "/secrets/x/uses?limit=0", names: "limit"},
	{name: "environment secret", path: "/agent/environments", body: `{"config":{"secrets":[{"name":""}]}}`, names: "config.secrets[0].name"},
	{name: "environment secret twice", path: "/agent/environments", body: `{"config":{"secrets":[{"name":"A"},{"name":"A"}]}}`, names: "config.secrets[1].name"},
	{name: "environment secret phase", path: "/agent/environments", body: `{"config":{"secrets":[{"name":"A","phases":["never"]}]}}`, names: "config.secrets[0].phases"},
	{name: "run secret", path: "/agent/runs", body: `{"prompt":"x","config":{"secrets":[{"name":"A"},{"name":"A"}]}}`, names: "config.secrets[1].name"},
	{name: "run model key", path: "/agent/runs", body: `{"prompt":"x","config":{"harness_auth_secrets":{"claude_auth_secret_name":"NONE"}}}`, names: "config.harness_auth_secrets.claude_auth_secret_name"},
	{name: "master key", path: "/master-key/rotate", body: `{"key_id":"nowhere"}`, names: "key_id"},

	{name: "blob expires", method: "GET", path: "/blobs/ABCDEFGHIJ?expires=x&signature=y", names: "expires"},
	{name: "blob signature", method: "GET", path: "/blobs/ABCDEFGHIJ?expires=1", names: "signature"},
}

// badReports are what a runner may get wrong.
var badReports = []bad{
	{name: "no entries", path: "/runner/entries", body: `{"first_index":0}`, names: "entries"},
	{name: "index", path: "/runner/entries", body: `{"first_index":-1,"entries":[]}`, names: "first_index"},
	{name: "index type", path: "/runner/entries", body: `{"first_index":"0","entries":[]}`, names: "first_index"},
	{name: "entry", path: "/runner/entries", body: `{"first_index":0,"entries":[{}]}`, names: "entries[0]"},
	{name: "entry type", path: "/runner/entries", body: `{"first_index":0,"entries":[{"type":"song","data":{}}]}`, names: "entries[0].type"},
	{name: "server's entry", path: "/runner/entries", body: `{"first_index":0,"entries":[{"type":"state","data":{"to":"SUCCEEDED"}}]}`, names: "entries[0].type"},
	{name: "entry data", path: "/runner/entries", body: `{"first_index":0,"entries":[{"type":"notice","data":"x"}]}`, names: "entries[0].data"},
	{name: "entry no data", path: "/runner/entries", body: `{"first_index":0,"entries":[{"type":"notice"}]}`, names: "entries[0].data"},
	{name: "entry shape", path: "/runner/entries", body: `{"first_index":0,"entries":[{"type":"notice","data":{"text":7}}]}`, names: "entries[0]"},
	{name: "entry time", path: "/runner/entries", body: `{"first_index":0,"entries":[{"type":"notice","data":{},"created_at":"noon"}]}`, names: "entries[0].created_at"},
	{name: "entry blob", path: "/runner/entries", body: `{"first_index":0,"entries":[{"type":"action_result","data":{"blob":"../../x"}}]}`, names: "entries[0].data.blob"},
	{name: "state", path: "/runner/entries", body: `{"first_index":0,"entries":[],"report":{"state":"HAPPY"}}`, names: "report.state"},
	{name: "state not a runner's", path: "/runner/entries", body: `{"first_index":0,"entries":[],"report":{"state":"QUEUED"}}`, names: "report.state"},
	{name: "error code", path: "/runner/entries", body: `{"first_index":0,"entries":[],"report":{"state":"FAILED","error_code":"tired"}}`, names: "report.error_code"},
	{name: "large entry", path: "/runner/entries", body: `{"first_index":0,"entries":[{"type":"notice","data":{"text":"` + strings.Repeat("x", 5000) + `"}}]}`, names: "entries[0].data"},
	{name: "deltas", path: "/runner/deltas", body: `{}`, names: "deltas"},
	{name: "delta kind", path: "/runner/deltas", body: `{"deltas":[{"key":"k","kind":"smell","text":""}]}`, names: "deltas[0].kind"},
	{name: "delta key", path: "/runner/deltas", body: `{"deltas":[{"kind":"text","text":"x"}]}`, names: "deltas[0].key"},
	{name: "secrets without phase", path: "/runner/secrets", body: `{}`, names: "phase"},
	{name: "secrets phase", path: "/runner/secrets", body: `{"phase":"later"}`, names: "phase"},
	{name: "start", path: "/runner/start", body: `{"pid":"x"}`, names: "pid"},
	{name: "end", path: "/runner/end", body: `{"snapshot_blob_id":"nope-nope"}`, names: "snapshot_blob_id"},
	{name: "blob kind", path: "/runner/blobs", body: `x`, names: "kind"},
	{name: "blob kind unknown", path: "/runner/blobs?kind=cheese", body: `x`, names: "kind"},
	{name: "blob name", path: "/runner/blobs?kind=output&name=" + strings.Repeat("n", 256), body: `x`, names: "name"},
	{name: "blob size", path: "/runner/blobs?kind=output", body: strings.Repeat("x", 2000), names: "body", status: 413},
}

func manyPairs(n int) string {
	var pairs []string
	for i := range n {
		pairs = append(pairs, fmt.Sprintf(`"k%d":"v"`, i))
	}
	return strings.Join(pairs, ",")
}

// lowLimits makes limits cheap to exceed.
func lowLimits(c *server.Config) {
	c.Limits.CreateBody, c.Limits.Blob, c.Entries.EntryBytes = 64<<10, 1000, 4096
	c.Limits.CreateBody = 64 << 10
	c.Limits.Body = 300 << 10
}

func TestMalformedRequestsNameTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t, lowLimits, func(c *server.Config) { c.Limits.CreateBody = 300 << 10 })
	run := w.localRun("victim")
	w.say(run.RunToken, 0, api.RunStateINPROGRESS).want(200)
	refuse := func(b bad, key string) {
		t.Run(b.name, func(t *testing.T) {
			r := request{method: b.method, path: api.BasePath + strings.ReplaceAll(b.path, "{run}", run.RunId), key: key, header: b.header}
			if r.method == "" {
				r.method, r.body = "POST", b.body
			}
			status := b.status
			if status == 0 {
				status = 400
			}
			v := *w
			v.t = t
			p := v.do(r).wantProblem(api.PlatformErrorCodeInvalidRequest, status, "")
			if !strings.HasPrefix(p.Detail, b.names) {
				t.Errorf("detail %q does not begin with %q", p.Detail, b.names)
			}
		})
	}
	for _, b := range badRequests {
		if b.name == "too large" {
			b.body = `{"prompt":"` + strings.Repeat("x", 301<<10) + `"}`
		}
		refuse(b, w.key)
	}
	for _, b := range badReports {
		refuse(b, run.RunToken)
	}
	if log := w.log.String(); log != "" {
		t.Errorf("bad requests are no reason to log:\n%s", log)
	}
}

// TestActionsTakeAnyEmptyBody: clients send none, null or {}.
func TestActionsTakeAnyEmptyBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, body := range []any{nil, "", "null", "{}", " \n", `{"extra":1}`} {
		run := decode[api.RunAgentResponse](w.post("/agent/runs", api.RunAgentRequest{Prompt: "x"}).want(200))
		a := w.post("/agent/runs/"+run.RunId+"/cancel", body).want(200)
		if got := decode[string](a); got != run.RunId || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("body %q: %s", body, a)
		}
	}
	run := decode[api.RunAgentResponse](w.post("/agent/runs", api.RunAgentRequest{Prompt: "x"}).want(200))
	w.do(request{method: "POST", path: api.BasePath + "/agent/tasks/" + run.RunId + "/cancel", key: w.key, body: "null"}).want(200)
}

func TestUnknownFieldsAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.post("/agent/runs", `{"prompt":"x","from_the_future":{"a":[1]},"config":{"new_thing":true}}`).want(200)
	w.do(request{method: "POST", path: api.BasePath + "/agent/runs", key: w.key, body: `{"prompt":"x"}`,
		header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}).want(200)
}
