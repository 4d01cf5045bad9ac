package server_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/server"
)

// browser is somebody's: it keeps cookies, follows redirects and says which site its forms are of.
type browser struct {
	t    *testing.T
	w    *world
	http *http.Client
}

// page is what a browser got.
type page struct {
	status int
	at     string // path it ended at
	body   string
	header http.Header
}

func (w *world) browser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w.t, w, &http.Client{Jar: jar}}
}

func (b *browser) do(method, path string, form url.Values, header http.Header) page {
	b.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.w.url + path
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("User-Agent", "browser of a test")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for k, v := range header {
		req.Header[k] = v
	}
	rsp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rsp.Body.Close()
	text, err := io.ReadAll(rsp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{rsp.StatusCode, rsp.Request.URL.RequestURI(), string(text), rsp.Header}
}

func (b *browser) open(path string) page { b.t.Helper(); return b.do("GET", path, nil, nil) }

func (b *browser) submit(path string, pairs ...string) page {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.do("POST", path, form, nil)
}

// shows fails unless the page has a status and the words.
func (p page) shows(t *testing.T, status int, words string) page {
	t.Helper()
	if p.status != status || !strings.Contains(p.body, words) {
		t.Fatalf("%s: %d, want %d with %q\n%s", p.at, p.status, status, words, p.body)
	}
	return p
}

// whoami is who the API takes the browser for, "" for nobody.
func (b *browser) whoami() string {
	b.t.Helper()
	p := b.open("/api/v1/whoami")
	if p.status == http.StatusUnauthorized {
		return ""
	}
	var who api.WhoamiResponse
	if err := json.Unmarshal([]byte(p.body), &who); err != nil || p.status != http.StatusOK {
		b.t.Fatalf("whoami: %d %s", p.status, p.body)
	}
	return who.DisplayName
}

func TestPasswordSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("Ann", identity.RoleMember)
	b := w.browser()
	p := b.open("/sign-in?next=/device").shows(t, 200, `name="password"`)
	if csp := p.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	b.submit("/sign-in", "email", "ann@example.com", "password", "wrong").shows(t, 401, "the address or the password is wrong")
	b.submit("/sign-in", "email", "nobody@example.com", "password", "wrong").shows(t, 401, "the address or the password is wrong")
	if who := b.whoami(); who != "" {
		t.Fatalf("signed in as %s", who)
	}
	if p := b.submit("/sign-in", "email", " ANN@example.com ", "password", passphrase, "next", "/device"); p.at != "/device" {
		t.Fatalf("goes on to %s", p.at)
	}
	if who := b.whoami(); who != "Ann" {
		t.Fatalf("signed in as %q", who)
	}
	for _, evil := range []string{"//evil.example", "https://evil.example", `/\evil.example`} {
		if p := b.open("/sign-in?next=" + url.QueryEscape(evil)); strings.Contains(p.body, "evil") {
			t.Errorf("goes on to %q", evil)
		}
	}
	b.submit("/sign-out").shows(t, 200, `name="password"`)
	if who := b.whoami(); who != "" {
		t.Fatalf("still signed in as %s", who)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	t.Parallel()
	now := time.Now() // for good: a slow machine must not have waited long enough
	w := newWorld(t, func(c *server.Config) { c.Now = func() time.Time { return now } })
	w.person("Ann", identity.RoleMember)
	b := w.browser()
	for _, address := range []string{"ann@example.com", "nobody@example.com"} {
		status := 0
		for range 8 {
			if status = b.submit("/sign-in", "email", address, "password", "guess").status; status != http.StatusUnauthorized {
				break
			}
		}
		if status != http.StatusTooManyRequests {
			t.Errorf("%s: %d after many guesses", address, status)
		}
	}
	b.submit("/sign-in", "email", "ann@example.com", "password", passphrase).shows(t, 429, "too many attempts")
}

// TestOtherSitesCannotUseASignIn: what changes something comes from our own pages, as JSON.
func TestOtherSitesCannotUseASignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("Ann", identity.RoleMember)
	b := w.browser()
	b.submit("/sign-in", "email", "ann@example.com", "password", passphrase)
	post := func(contentType string, header ...string) int {
		t.Helper()
		h := http.Header{"Content-Type": {contentType}}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/api/v1/agent/environments", strings.NewReader(`{"config":{"name":"e"}}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = h
		rsp, err := b.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = rsp.Body.Close()
		return rsp.StatusCode
	}
	for _, c := range []struct {
		want int
		kind string
		head []string
	}{
		{201, "application/json", []string{"Sec-Fetch-Site", "same-origin"}},
		{201, "application/json", []string{"Origin", w.url}},
		{403, "application/json", []string{"Sec-Fetch-Site", "cross-site"}},
		{403, "application/json", []string{"Sec-Fetch-Site", "same-site"}},
		{403, "application/json", []string{"Origin", "https://evil.example"}},
		{403, "application/json", []string{"Origin", "null"}},
		{415, "text/plain", []string{"Sec-Fetch-Site", "same-origin"}},
		{415, "application/x-www-form-urlencoded", nil},
	} {
		if got := post(c.kind, c.head...); got != c.want {
			t.Errorf("%s %v: %d, want %d", c.kind, c.head, got, c.want)
		}
	}
	cross := http.Header{"Sec-Fetch-Site": {"cross-site"}}
	if p := b.do("POST", "/sign-out", url.Values{}, cross); p.status != 403 || b.whoami() == "" {
		t.Errorf("another site signs out: %d", p.status)
	}
	// A key needs none of it: no page can make a browser send one.
	w.do(request{method: "POST", path: "/api/v1/agent/environments", key: w.key, body: `{"config":{"name":"e"}}`, header: cross}).want(201)
}

func TestLinkSignsInOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	link := decode[api.SignInLink](w.post("/users/"+w.me().UID+"/sign-in-link", nil).want(201))
	b := w.browser()
	b.open(link.Url).shows(t, 200, "signs you in once")
	b.open(link.Url).shows(t, 200, "signs you in once") // looking does not use it up
	b.submit(link.Url)
	if who := b.whoami(); who != "Admin" {
		t.Fatalf("signed in as %q", who)
	}
	w.browser().submit(link.Url).shows(t, 401, "does not work any more")
	list := decode[api.ListSignInsResponse](w.get("/me/sign-ins").want(200))
	if len(list.SignIns) != 1 || list.SignIns[0].Method != "link" || list.SignIns[0].Device != "browser of a test" {
		t.Fatalf("sign-ins %+v", list.SignIns)
	}
	w.do(request{method: "DELETE", path: "/api/v1/me/sign-ins/" + list.SignIns[0].Uid, key: w.key}).want(204)
	if who := b.whoami(); who != "" {
		t.Fatalf("signed in as %s after it was ended", who)
	}
	// Nobody makes a link for somebody else but an operator.
	_, ann := w.person("Ann", identity.RoleAdmin)
	w.as(ann).post("/users/"+w.me().UID+"/sign-in-link", nil).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "")
}

func TestInvitationMakesAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := decode[api.CreateInvitationResponse](w.post("/teams/"+w.team()+"/invitations", api.CreateInvitationRequest{Email: "Grace@Example.com", Role: api.TeamRoleViewer}).want(201))
	b := w.browser()
	b.open(made.Url).shows(t, 200, "grace@example.com")
	b.submit(made.Url, "name", "Grace", "password", "short").shows(t, 400, "at least 12")
	b.submit(made.Url, "name", "Grace", "password", passphrase)
	if who := b.whoami(); who != "Grace" {
		t.Fatalf("signed in as %q", who)
	}
	w.browser().submit(made.Url, "name", "Eve", "password", passphrase).shows(t, 404, "was used")

	// Somebody with an account joins with it, and only they do.
	other := decode[api.Team](w.post("/teams", api.RenameRequest{Name: "Second"}).want(201))
	second := decode[api.CreateInvitationResponse](w.post("/teams/"+other.Uid+"/invitations", api.CreateInvitationRequest{Email: "grace@example.com"}).want(201))
	w.browser().open(second.Url).shows(t, 200, "Sign in with it to join")
	w.browser().submit(second.Url, "name", "Eve", "password", passphrase).shows(t, 409, "has an account")
	w.person("Mallory", identity.RoleMember)
	m := w.browser()
	m.submit("/sign-in", "email", "mallory@example.com", "password", passphrase)
	m.submit(second.Url).shows(t, 403, "the invitation is for grace@example.com")
	b.submit(second.Url)
	// The sign-in works for one team at a time, by choice or by header.
	p := b.do("GET", "/api/v1/whoami", nil, http.Header{"X-Cadre-Team": {other.Uid}}).shows(t, 200, `"role":"member"`)
	if !strings.Contains(p.body, `"team_uids":["`+other.Uid) {
		t.Errorf("works for %s", p.body)
	}
	b.open("/api/v1/whoami").shows(t, 200, `"role":"viewer"`)
	b.do("GET", "/api/v1/whoami", nil, http.Header{"X-Cadre-Team": {"another"}}).shows(t, 404, "no team")
}

// TestDeviceFlow: a command line asks, a person approves, and the key works at once.
func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("Ann", identity.RoleMember)
	device := func(path string, pairs ...string) (int, map[string]any) {
		t.Helper()
		form := url.Values{"client_id": {"warp-agent-cli"}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		p := w.browser().do("POST", path, form, http.Header{"Sec-Fetch-Site": {}})
		var v map[string]any
		if err := json.Unmarshal([]byte(p.body), &v); err != nil {
			t.Fatalf("%s: %d %s", path, p.status, p.body)
		}
		return p.status, v
	}
	const grant = "urn:ietf:params:oauth:grant-type:device_code"
	status, asked := device("/oauth/device/auth", "device_name", "laptop")
	if status != 200 || asked["interval"] != 5.0 {
		t.Fatalf("%d %v", status, asked)
	}
	secret, code := asked["device_code"].(string), asked["user_code"].(string)
	if _, v := device("/oauth/token", "grant_type", grant, "device_code", secret); v["error"] != "authorization_pending" {
		t.Fatalf("%v", v)
	}
	if _, v := device("/oauth/token", "grant_type", grant, "device_code", secret); v["error"] != "slow_down" {
		t.Fatalf("%v", v)
	}
	b := w.browser()
	b.open(asked["verification_uri_complete"].(string)).shows(t, 200, `name="password"`) // sign in first
	if p := b.submit("/sign-in", "email", "ann@example.com", "password", passphrase, "next", "/device?code="+code); !strings.Contains(p.body, "laptop") || !strings.Contains(p.body, code) {
		t.Fatalf("%s", p.body)
	}
	b.submit("/device", "code", strings.ToLower(code), "decision", "approve").shows(t, 200, "connected")
	b.submit("/device", "code", code, "decision", "approve").shows(t, 404, "nothing waits for this code")
	status, given := device("/oauth/token", "grant_type", grant, "device_code", secret)
	if status != 200 || given["token_type"] != "Bearer" || given["expires_in"].(float64) < float64(80*24*time.Hour/time.Second) {
		t.Fatalf("%d %v", status, given)
	}
	who := decode[api.WhoamiResponse](w.as(given["access_token"].(string)).get("/whoami").want(200))
	if who.DisplayName != "Ann" || who.Role != "member" {
		t.Errorf("the key is of %+v", who)
	}
	if _, v := device("/oauth/token", "grant_type", grant, "device_code", secret); v["error"] != "expired_token" {
		t.Errorf("a second key: %v", v)
	}
	_, asked = device("/oauth/device/auth")
	b.submit("/device", "code", asked["user_code"].(string), "decision", "deny").shows(t, 200, "refused")
	if _, v := device("/oauth/token", "grant_type", grant, "device_code", asked["device_code"].(string)); v["error"] != "access_denied" {
		t.Errorf("%v", v)
	}
	if status, v := device("/oauth/token", "grant_type", "password"); status != 400 || v["error"] != "unsupported_grant_type" {
		t.Errorf("%d %v", status, v)
	}
}

func TestKeysOverTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, ann := w.person("Ann", identity.RoleMember)
	member := w.as(ann)
	made := decode[api.CreateApiKeyResponse](member.post("/api-keys", api.CreateApiKeyRequest{Name: "laptop", ExpiresAt: time.Now().Add(time.Hour)}).want(201))
	if !strings.HasSuffix(made.RawApiKey, made.ApiKey.KeySuffix) || made.ApiKey.OwnerType != api.ApiKeyOwnerUser {
		t.Errorf("%+v", made.ApiKey)
	}
	laptop := w.as(made.RawApiKey)
	laptop.get("/whoami").want(200)
	list := decode[api.ListApiKeysResponse](member.get("/api-keys").want(200))
	if len(list.ApiKeys) != 2 {
		t.Errorf("%d keys", len(list.ApiKeys))
	}
	put := func(who *world, uid string) answer {
		return who.do(request{method: "PUT", path: "/api/v1/api-keys/" + uid, key: who.key, body: api.RenameRequest{Name: "desk"}})
	}
	put(w, made.ApiKey.Uid).want(404) // an operator does not see what is somebody's own
	put(member, made.ApiKey.Uid).want(200)
	w.do(request{method: "DELETE", path: "/api/v1/api-keys/" + made.ApiKey.Uid, key: ann}).want(200)
	laptop.get("/whoami").wantProblem(api.PlatformErrorCodeAuthenticationRequired, 401, "revoked")

	team := w.team()
	member.post("/api-keys", api.CreateApiKeyRequest{Name: "ci", TeamId: team}).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "member may not administer")
	worker := decode[api.CreateApiKeyResponse](w.post("/api-keys", api.CreateApiKeyRequest{Name: "w", TeamId: team, Scopes: []api.ApiKeyScope{api.ApiKeyScopeWorker}}).want(201))
	if _, _, err := w.dial("box", worker.RawApiKey); err != nil {
		t.Errorf("a worker key connects no worker: %v", err)
	}
	w.as(worker.RawApiKey).get("/agent/runs").wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "scope worker")
	w.post("/api-keys", api.CreateApiKeyRequest{Name: "a", AgentUid: "nobody"}).want(404)
	w.post("/api-keys", api.CreateApiKeyRequest{Name: "a", ExpiresAt: time.Unix(1, 0)}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "expires_at")
	w.post("/api-keys", api.CreateApiKeyRequest{Name: "a", Role: api.TeamRoleAdmin}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "role")
}

func TestLastAdminStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	me, team := w.me(), w.team()
	role := func(user string, r api.TeamRole) answer {
		return w.do(request{method: "PUT", path: "/api/v1/teams/" + team + "/members/" + user, key: w.key, body: api.SetMemberRoleRequest{Role: r}})
	}
	role(me.UID, api.TeamRoleMember).wantProblem(api.PlatformErrorCodeConflict, 409, "at least one admin")
	w.do(request{method: "DELETE", path: "/api/v1/me/teams/" + team, key: w.key}).wantProblem(api.PlatformErrorCodeConflict, 409, "at least one admin")
	ann, key := w.person("Ann", identity.RoleMember)
	role(ann.UID, api.TeamRoleAdmin).want(200)
	if who := decode[api.WhoamiResponse](w.as(key).get("/whoami").want(200)); who.Role != "admin" {
		t.Errorf("Ann is %s at once", who.Role)
	}
	role(me.UID, api.TeamRoleViewer).want(200)
	if who := decode[api.WhoamiResponse](w.get("/whoami").want(200)); who.Role != "viewer" {
		t.Errorf("the first admin is %s at once", who.Role)
	}
}

// TestBelowAPath: behind a proxy that gives the server a path of a host, pages, their forms and the cookie
// stay below it, whether the proxy takes the path off or not.
func TestBelowAPath(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	w := newWorld(t, func(c *server.Config) {
		c.Listen, c.PublicURL = "127.0.0.1:"+port, "http://127.0.0.1:"+port+"/tools/cadre"
	})
	w.person("Ann", identity.RoleMember)
	made := decode[api.CreateInvitationResponse](w.post("/teams/"+w.team()+"/invitations", api.CreateInvitationRequest{Email: "eve@example.com"}).want(201))
	outside := regexp.MustCompile(`(?:href|action)="/(?:[^t]|t[^o])`)
	b := w.browser()
	var set []string
	b.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.Path, "/tools/cadre/") {
			t.Errorf("sent to %s", r.URL.Path)
		}
		set = append(set, r.Response.Header["Set-Cookie"]...)
		return nil
	}
	for _, path := range []string{"/sign-in", "/device?code=BCDF", made.Url, "/sign-in/link/secret", "/docs", "/docs/errors/conflict", "/runs/" + uuid.NewString()} {
		p := b.open(path).shows(t, 200, "<")
		if link := outside.FindString(p.body); link != "" {
			t.Errorf("%s leads out of the path: %s", path, link)
		}
	}
	p := b.submit("/sign-in", "email", "ann@example.com", "password", passphrase, "next", "/tools/cadre/device?code=")
	if p.at != "/tools/cadre/device?code=" {
		t.Errorf("goes on to %s", p.at)
	}
	if who := b.whoami(); who != "Ann" {
		t.Errorf("signed in as %q", who)
	}
	if len(set) != 1 || !strings.Contains(set[0], "Path=/tools/cadre;") {
		t.Errorf("cookies %q", set)
	}
	if p := b.submit("/sign-out"); p.at != "/tools/cadre/sign-in" || b.whoami() != "" {
		t.Errorf("signed out to %s", p.at)
	}
	// Where the proxy took the path off, pages still name it.
	rsp, err := client.Get("http://127.0.0.1:" + port + "/device")
	if err != nil {
		t.Fatal(err)
	}
	_ = rsp.Body.Close()
	if to := rsp.Header.Get("Location"); to != "/tools/cadre/sign-in?next=%2Ftools%2Fcadre%2Fdevice" {
		t.Errorf("sent to %q", to)
	}
}

func TestOperatorsOverTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, key := w.person("Ann", identity.RoleMember)
	path := "/api/v1/users/" + ann.UID + "/operator"
	w.do(request{method: "PUT", path: path, key: key}).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "no operator")
	if u := decode[api.User](w.do(request{method: "PUT", path: path, key: w.key}).want(200)); !u.Operator {
		t.Errorf("%+v", u)
	}
	w.as(key).get("/users").want(200) // at once
	if u := decode[api.User](w.do(request{method: "DELETE", path: path, key: key}).want(200)); u.Operator {
		t.Errorf("%+v", u)
	}
	w.as(key).get("/users").want(403)
	w.do(request{method: "DELETE", path: "/api/v1/users/" + w.me().UID + "/operator", key: w.key}).wantProblem(api.PlatformErrorCodeConflict, 409, "at least one operator")
}

// TestKeyIsRevokedByItsHolder: RFC 7009, without telling what a token was.
func TestKeyIsRevokedByItsHolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, key := w.person("Ann", identity.RoleMember)
	give := func(token, client string, status int) {
		t.Helper()
		p := w.browser().do("POST", "/oauth/revoke", url.Values{"token": {token}, "client_id": {client}}, http.Header{"Sec-Fetch-Site": {}})
		p.shows(t, status, "")
	}
	give(key, "somebody", 401)
	w.as(key).get("/whoami").want(200)
	for _, token := range []string{key, key, "nothing", ""} {
		give(token, "cadre-cli", 200)
	}
	w.as(key).get("/whoami").want(401)
}

// TestSecretsOfAddressesStayOutOfTheLog, also of one that asks for everything.
func TestSecretsOfAddressesStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	w := newWorld(t, func(c *server.Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	w.browser().open("/sign-in/link/SECRET-OF-A-LINK").shows(t, 200, "once")
	w.browser().open("/invitation/SECRET-OF-ANOTHER").shows(t, 404, "")
	if said := log.String(); strings.Contains(said, "SECRET") || !strings.Contains(said, "/sign-in/link/") {
		t.Errorf("the log says\n%s", said)
	}
}
