package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/server/httpapi"
)

// FuzzAnyBody sends a body to any operation that takes one, as whoever may call it: the answer never blames
// the server, and is what the contract says. Operations are chosen by number, the examples of the contract
// are the seeds.
func FuzzAnyBody(f *testing.F) {
	var takers []httpapi.Operation
	for _, op := range httpapi.Operations() {
		item := contract().Paths.Find(op.Path).GetOperation(op.Method)
		if item.RequestBody == nil {
			continue
		}
		media := item.RequestBody.Value.Content.Get("application/json")
		if media == nil {
			continue
		}
		takers = append(takers, op)
		seeds := []string{`[]`, `null`, nested(media.Schema.Value)}
		if example, err := json.Marshal(media.Example); err == nil {
			seeds = append(seeds, string(example))
		}
		for _, seed := range seeds {
			f.Add(uint(len(takers)-1), []byte(seed))
		}
	}
	world := fuzzed(f)
	f.Fuzz(func(t *testing.T, number uint, body []byte) {
		w := world(t)
		op := takers[number%uint(len(takers))]
		run := w.localRun("fuzzed") // whose runner a body may end
		caller := w
		if op.RunTokens == httpapi.RunTokensExecution || op.ID == "issueIdentityToken" {
			caller = w.as(run.RunToken)
		}
		caller.do(request{method: op.Method, path: api.BasePath + fuzzedPath(op.Path, run.RunId), key: caller.key, body: string(body)})
	})
}

// nested is an object with every member of a schema, each wrong in another way than its type.
func nested(s *openapi3.Schema) string {
	wrong := []any{"\u0000", "\xed\xa0\x80", -1, 1e300, []any{map[string]any{"a": []any{}}}, map[string]any{"": nil}, strings.Repeat("é", 300)}
	object, i := map[string]any{}, 0
	for name := range s.Properties {
		object[name] = wrong[i%len(wrong)]
		i++
	}
	b, err := json.Marshal(object)
	if err != nil {
		return "{}"
	}
	return string(b)
}

// fuzzedPath fills a path with the run and with what there is not.
func fuzzedPath(path, runID string) string {
	return pathParameter.ReplaceAllStringFunc(path, func(p string) string {
		if p == "{runId}" {
			return runID
		}
		return uuid.NewString()
	})
}

// FuzzAnyQuery does the same with the query of any operation that reads.
func FuzzAnyQuery(f *testing.F) {
	var readers []httpapi.Operation
	for _, op := range httpapi.Operations() {
		if op.Method != http.MethodGet {
			continue
		}
		readers = append(readers, op)
		names := []string{}
		for _, p := range contract().Paths.Find(op.Path).GetOperation(op.Method).Parameters {
			if p.Value.In == openapi3.ParameterInQuery {
				names = append(names, p.Value.Name)
			}
		}
		for _, value := range []string{"", "-1", "99999999999999999999", "%00", "%ff", "a&", "1970-01-01T00:00:00Z", "true"} {
			if len(names) > 0 {
				f.Add(uint(len(readers)-1), strings.Join(names, "="+value+"&")+"="+value)
			}
		}
	}
	world := fuzzed(f)
	var runID string
	f.Fuzz(func(t *testing.T, number uint, query string) {
		if unsendable(query) {
			return
		}
		w := world(t)
		if runID == "" {
			runID = w.localRun("fuzzed").RunId
		}
		op := readers[number%uint(len(readers))]
		r := request{method: op.Method, path: api.BasePath + fuzzedPath(op.Path, runID) + "?" + query, key: w.key}
		if strings.HasSuffix(op.Path, "/stream") {
			w.peek(r)
			return
		}
		w.do(r)
	})
}

// unsendable is what no client can put on a request line.
func unsendable(query string) bool {
	_, err := url.Parse("/?" + query)
	return err != nil || strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' })
}

// FuzzSignedLink: no link but one that was made opens anything.
func FuzzSignedLink(f *testing.F) {
	f.Add("blobs/ABCDEFGHIJKLMN", "99999999999", "AAAA")
	f.Add("transcripts/"+uuid.NewString(), "-1", "")
	f.Add("blobs/..%2f..%2fcadre.db", "99999999999", "\u0000")
	f.Add("blobs/x", "1e3", strings.Repeat("A", 43))
	world := fuzzed(f)
	f.Fuzz(func(t *testing.T, what, expires, signature string) {
		path := api.BasePath + "/" + what
		if u, err := url.Parse(path); err != nil || unsendable(what) || u.RawQuery != "" || u.Host != "" || !strings.HasPrefix(what, "blobs/") && !strings.HasPrefix(what, "transcripts/") {
			return
		}
		a := world(t).do(request{method: "GET", path: path + "?" + url.Values{"expires": {expires}, "signature": {signature}}.Encode()})
		if a.status < 300 {
			t.Errorf("it opens: %s", a)
		}
	})
}

// FuzzCredential: no credential but those that were made is anybody's.
func FuzzCredential(f *testing.F) {
	world := fuzzed(f)
	f.Add("Bearer wk-1." + strings.Repeat("ab", 32))
	f.Add("Bearer crt-1.eyJyIjoiYSJ9.AAAA")
	f.Add("Bearer crt-1..")
	f.Add("Basic d2stMS46")
	f.Add("bearer \x00")
	f.Add("")
	f.Add(" ")
	var token string
	f.Fuzz(func(t *testing.T, credential string) {
		w := world(t)
		if token == "" {
			token = w.localRun("fuzzed").RunToken
		}
		for _, value := range []string{credential, "Bearer " + token + credential, "Bearer " + credential + token} {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				continue // no client can send it
			}
			for name, header := range map[string]http.Header{
				"header": {"Authorization": {value}}, "cookie": {"Cookie": {"cadre=" + url.QueryEscape(value)}},
			} {
				a := w.do(request{method: "GET", path: api.BasePath + "/whoami", header: header})
				words := strings.Fields(value) // spaces around it are no part of it
				same := name == "header" && len(words) == 2 && words[0] == "Bearer" && words[1] == token
				if a.status == 200 && !same {
					t.Errorf("%s %q is somebody: %s", name, value, a)
				}
			}
		}
	})
}

// FuzzResume: whatever a client says it saw last, the stream of an ended run ends, or the header is named.
func FuzzResume(f *testing.F) {
	for _, id := range []string{"", "0", "1", "-1", "9223372036854775807", "9223372036854775808", "1.5", "abc", "é", "1, 2", " 1 "} {
		f.Add(id)
	}
	world := fuzzed(f)
	var path string
	f.Fuzz(func(t *testing.T, id string) {
		if strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return
		}
		w := world(t)
		if path == "" {
			run := w.localRun("fuzzed")
			w.say(run.RunToken, 0, api.RunStateINPROGRESS).want(200)
			w.say(run.RunToken, 0, api.RunStateSUCCEEDED, api.AgentMessage{Text: "done"}).want(200)
			w.as(run.RunToken).post("/runner/end", api.RunnerEndRequest{}).want(204)
			path = "/agent/runs/" + run.RunId + "/stream"
		}
		a := w.do(request{method: "GET", path: api.BasePath + path, key: w.key, header: http.Header{"Last-Event-ID": {id}}})
		if a.status != 200 && a.status != 400 {
			t.Errorf("%s", a)
		}
		if a.status == 200 && !strings.Contains(string(a.body), "event: end") {
			t.Errorf("the stream does not end: %s", a)
		}
	})
}

// FuzzForm: the pages that people and command lines sign in by take any form.
func FuzzForm(f *testing.F) {
	paths := []string{"/sign-in", "/sign-out", "/oauth/device/auth", "/oauth/token", "/oauth/revoke", "/device", "/invitation/x", "/sign-in/link/x"}
	for i := range paths {
		f.Add(uint(i), "")
		f.Add(uint(i), "email=a%40b&password=%00&csrf=x&user_code=AAAA-BBBB&decision=approve&next=//evil.example")
		f.Add(uint(i), "grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=%ff&client_id=cadre-cli&token=wk-1.x")
		f.Add(uint(i), "%zz&=&a[]=1;b")
	}
	world := fuzzed(f)
	f.Fuzz(func(t *testing.T, number uint, form string) {
		path := paths[number%uint(len(paths))]
		a := world(t).raw("POST", "POST "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "+
			strconv.Itoa(len(form))+"\r\n\r\n"+form)
		defer a.Body.Close()
		if a.StatusCode >= 500 && a.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s %q: %s", path, form, a.Status)
		}
		if to := a.Header.Get("Location"); strings.HasPrefix(to, "//") || strings.Contains(to, "evil.example") {
			t.Errorf("%s %q leads to %s", path, form, to)
		}
	})
}

// TestInjection: what callers write ends up neither as a header nor as a line of the log.
func TestInjection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const evil = "x\r\nSet-Cookie: evil=1\r\n\r\nlevel=ERROR msg=forged"
	run := w.localRun(evil)
	for _, r := range []request{
		{method: "GET", path: api.BasePath + "/agent/runs/" + url.PathEscape(evil)},
		{method: "GET", path: api.BasePath + "/agent/runs?cursor=" + url.QueryEscape(evil)},
		{method: "GET", path: "/runs/" + url.PathEscape(evil)},
		{method: "GET", path: "/" + url.PathEscape(evil)},
		{method: "GET", path: "/sign-in?next=" + url.QueryEscape("/"+evil)},
		{method: "GET", path: "/docs/errors/" + url.PathEscape(evil)},
		{method: "POST", path: api.BasePath + "/agent/runs", body: map[string]any{"prompt": evil, "title": evil, "config": map[string]any{"worker_host": evil, "name": evil}}},
		{method: "POST", path: api.BasePath + "/agent/environments", body: map[string]any{"config": map[string]any{"name": evil}}},
		{method: "POST", path: api.BasePath + "/teams/" + w.team() + "/invitations", body: map[string]any{"email": evil + "@x"}},
	} {
		r.key = w.key
		a := w.do(r)
		for name, values := range a.header {
			if strings.Contains(strings.Join(values, ""), "\n") || name == "Set-Cookie" && strings.Contains(values[0], "evil") {
				t.Errorf("%s %s: header %s: %q", r.method, r.path, name, values)
			}
		}
	}
	w.as(run.RunToken).identityToken(run.RunId, map[string]any{"audience": evil}).want(400)
	for _, name := range []string{"traceparent", "X-Cadre-Team", "X-Oz-Api-Source", "Idempotency-Key", "User-Agent"} {
		w.do(request{method: "POST", path: api.BasePath + "/agent/runs", key: w.key, body: `{"prompt":"p"}`, header: http.Header{name: {"x level=ERROR msg=forged \"y\""}}})
	}
	for _, line := range strings.Split(w.log.String(), "\n") {
		if strings.HasPrefix(line, "level=") || strings.Contains(line, " level=ERROR msg=forged") && !strings.Contains(line, `"`) {
			t.Errorf("a forged line: %s", line)
		}
	}
}
