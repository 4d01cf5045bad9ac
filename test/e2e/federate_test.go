package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/cadrehq/cadre/api"
)

// TestFederate: a command of an agent proves to relying parties which run it is, without any key of theirs.
func TestFederate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	const pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/cadre"
	id := w.start(script(
		say("AWS.", bash(`"$OZ_CLI" federate issue-token --audience sts.amazonaws.com --duration 15m --subject-template scoped_principal run_id --output-format text`)),
		say("Google.", bash(`GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=`+pool+` GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE=$PWD/cached "$OZ_CLI" federate issue-gcp-token && stat -c %a cached`)),
		say("Somebody else.", bash(`"$OZ_CLI" federate issue-token --audience a --run-id 01890000-0000-7000-8000-000000000000`)),
		say("Nobody.", bash(`"$OZ_CLI" federate issue-gcp-token 2>error || cat error`)),
		say("Done."),
	))
	w.finish(id)
	r := w.results(id)
	if len(r) != 4 {
		t.Fatalf("results:\n%s", w.dump(id))
	}
	provider, err := oidc.NewProvider(w.ctx, w.url)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(audience, raw string) *oidc.IDToken {
		t.Helper()
		token, err := provider.Verifier(&oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{oidc.ES256}}).Verify(w.ctx, raw)
		if err != nil {
			t.Fatalf("%v\n%s", err, w.dump(id))
		}
		return token
	}
	who, err := w.Whoami(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	aws := verify("sts.amazonaws.com", strings.TrimSpace(r[0].Output))
	if want := "scoped_principal:" + who.TeamUids[0] + "/user:" + who.Uid + ":run_id:" + id; aws.Subject != want {
		t.Errorf("subject %s, want %s", aws.Subject, want)
	}
	answer, mode, _ := strings.Cut(r[1].Output, "\n")
	var gcp struct {
		Version   int
		Success   bool
		TokenType string `json:"token_type"`
		IDToken   string `json:"id_token"`
		Expires   int64  `json:"expiration_time"`
	}
	if err := json.Unmarshal([]byte(answer), &gcp); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	if token := verify(pool, gcp.IDToken); gcp.Version != 1 || !gcp.Success || gcp.TokenType != "urn:ietf:params:oauth:token-type:jwt" || gcp.Expires != token.Expiry.Unix() {
		t.Errorf("answer %s", answer)
	}
	if strings.TrimSpace(mode) != "600" {
		t.Errorf("the file has mode %s", mode)
	}
	if r[2].State != api.ActionStateFailed {
		t.Errorf("another run's token: %s", r[2].Output)
	}
	contains(t, "a refusal in Google's words", r[3].Output, `"success":false`)
}

// TestCloudAccounts: the commands of a run find what the clouds' tools look for, and it holds.
func TestCloudAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	const role = "arn:aws:iam::111122223333:role/agents"
	env := w.environment(api.CloudEnvironmentConfig{
		SetupCommands: []string{`test -s "$AWS_WEB_IDENTITY_TOKEN_FILE"`},
		Providers: api.ProvidersConfig{
			Aws: api.AwsProviderConfig{RoleArn: role},
			Gcp: api.GcpProviderConfig{ProjectNumber: "7", WorkloadIdentityFederationPoolId: "pool", WorkloadIdentityFederationProviderId: "cadre", ServiceAccountEmail: "d@p.iam"},
		},
	})
	id := w.start(script(
		say("AWS.", bash(`echo "$AWS_ROLE_ARN $AWS_ROLE_SESSION_NAME"; cat "$AWS_WEB_IDENTITY_TOKEN_FILE"`)),
		say("Google.", bash(`cat "$GOOGLE_APPLICATION_CREDENTIALS"`)),
		say("As Google's tools do.", bash(`GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=$(grep -o '//iam.googleapis[^"]*' "$GOOGLE_APPLICATION_CREDENTIALS") $(grep -o '"command":"[^"]*' "$GOOGLE_APPLICATION_CREDENTIALS" | cut -d'"' -f4)`)),
		say("Done."),
	), func(r *api.RunAgentRequest) { r.Config.EnvironmentId = env })
	w.finish(id)
	r := w.results(id)
	if len(r) != 3 {
		t.Fatalf("results:\n%s", w.dump(id))
	}
	provider, err := oidc.NewProvider(w.ctx, w.url)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(audience, raw string) string {
		t.Helper()
		token, err := provider.Verifier(&oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{oidc.ES256}}).Verify(w.ctx, strings.TrimSpace(raw))
		if err != nil {
			t.Fatalf("%v\n%s", err, w.dump(id))
		}
		return token.Subject
	}
	words, token, _ := strings.Cut(r[0].Output, "\n")
	if words != role+" Cadre_Run_"+id || !strings.HasPrefix(verify("sts.amazonaws.com", token), "scoped_principal:") {
		t.Errorf("AWS is told %s", words)
	}
	contains(t, "the credential configuration", r[1].Output, `serviceAccounts/d@p.iam:generateAccessToken`)
	var answer struct {
		IDToken string `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(r[2].Output), &answer); err != nil {
		t.Fatalf("%v: %s", err, r[2].Output)
	}
	verify("//iam.googleapis.com/projects/7/locations/global/workloadIdentityPools/pool/providers/cadre", answer.IDToken)
}
