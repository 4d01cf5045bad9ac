package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// identityToken asks for a token of a run.
func (w *world) identityToken(runID string, body any) answer {
	w.t.Helper()
	return w.post("/agent/runs/"+runID+"/identity-token", body)
}

// TestIdentityToken: what a run is given holds for a relying party that knows only the server's address.
func TestIdentityToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	env := decode[api.CloudEnvironment](w.post("/agent/environments", map[string]any{"config": map[string]any{"name": "e"}}).want(201))
	local := decode[api.LocalRunResponse](w.post("/agent/local-runs", api.LocalRunRequest{
		Prompt: "p", Config: api.AmbientAgentConfig{Name: "watch", EnvironmentId: env.Uid},
	}).want(200))
	me := w.me()
	token := decode[api.IdentityTokenResponse](w.as(local.RunToken).identityToken(local.RunId, map[string]any{
		"audience": "sts.amazonaws.com", "requested_duration_seconds": 300, "subject_template": []string{"scoped_principal", "environment"},
	}).want(200))

	provider, err := oidc.NewProvider(t.Context(), w.url)
	if err != nil {
		t.Fatal(err)
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: "sts.amazonaws.com", SupportedSigningAlgs: []string{oidc.ES256}})
	got, err := verifier.Verify(t.Context(), token.Token)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Teams       []string `json:"teams"`
		RunID       string   `json:"run_id"`
		Environment string   `json:"environment"`
		AgentName   string   `json:"agent_name"`
		ID          string   `json:"jti"`
		Host        string   `json:"host"`
	}
	if err := got.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if want := "scoped_principal:" + me.TeamUID + "/user:" + me.UID + ":environment:" + env.Uid; got.Subject != want {
		t.Errorf("subject %s, want %s", got.Subject, want)
	}
	if got.Issuer != w.url || token.Issuer != w.url || !got.Expiry.Equal(token.ExpiresAt) || got.Expiry.Sub(got.IssuedAt).Minutes() != 5 {
		t.Errorf("token %+v of %+v", got, token)
	}
	if len(claims.Teams) != 1 || claims.Teams[0] != me.TeamUID || claims.RunID != local.RunId || claims.Environment != env.Uid || claims.AgentName != "watch" || claims.ID == "" {
		t.Errorf("claims %+v", claims)
	}
	if _, err := provider.Verifier(&oidc.Config{ClientID: "another", SupportedSigningAlgs: []string{oidc.ES256}}).Verify(t.Context(), token.Token); err == nil {
		t.Error("it holds for another audience")
	}

	w.restart() // the port is another; what was signed before still has its key
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/jwks.json"} {
		a := w.do(request{method: "GET", path: path}).want(200)
		if a.header.Get("Cache-Control") != "public, max-age=900" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", path, a.header)
		}
		if strings.Contains(string(a.body), `"d"`) {
			t.Errorf("%s shows a private key: %s", path, a.body)
		}
	}
	keys := oidc.NewRemoteKeySet(t.Context(), w.url+"/.well-known/jwks.json")
	if _, err := keys.VerifySignature(t.Context(), token.Token); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// TestIdentityTokenRefusals: nobody but the run itself, while it lives, and nothing out of bounds.
func TestIdentityTokenRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, other := w.localRun("own"), w.localRun("other")
	child := decode[api.RunAgentResponse](w.as(own.RunToken).post("/agent/runs", api.RunAgentRequest{Prompt: "child"}).want(200))
	good := map[string]any{"audience": "a"}

	w.identityToken(own.RunId, good).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "")
	w.as(w.keyWith(identity.RoleAdmin)).identityToken(own.RunId, good).want(403)
	w.as("").identityToken(own.RunId, good).want(401)
	run := w.as(own.RunToken)
	run.identityToken(other.RunId, good).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "run")
	run.identityToken(child.RunId, good).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "run")
	run.identityToken("x", good).want(http.StatusBadRequest)
	for words, body := range map[string]any{
		"audience: is required":            map[string]any{},
		"audience: must be at most":        map[string]any{"audience": strings.Repeat("a", 1025)},
		"audience: must be printable":      map[string]any{"audience": "a\r\nb"},
		"audience: must be a string":       map[string]any{"audience": []string{"a"}},
		"requested_duration_seconds: must": map[string]any{"audience": "a", "requested_duration_seconds": 299},
		"requested_duration_seconds":       map[string]any{"audience": "a", "requested_duration_seconds": 10801},
		"subject_template[0]":              map[string]any{"audience": "a", "subject_template": []string{"environment"}},
		"subject_template":                 map[string]any{"audience": "a", "subject_template": []string{"password"}},
		"subject_template: must":           map[string]any{"audience": "a", "subject_template": []string{"host", "host", "host", "host", "host", "host", "host", "host", "host", "host"}},
	} {
		run.identityToken(own.RunId, body).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, words)
	}
	run.identityToken(own.RunId, good).want(200)
	w.say(own.RunToken, 0, api.RunStateINPROGRESS).want(200)
	w.say(own.RunToken, 0, api.RunStateSUCCEEDED).want(200)
	run.post("/runner/end", map[string]any{}).want(204)
	run.identityToken(own.RunId, good).wantProblem(api.PlatformErrorCodeAuthenticationRequired, 401, "ended")
}
