package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// awsAudience is what AWS calls itself in tokens.
const awsAudience = "sts.amazonaws.com"

// federate gives the run's commands access to the cloud accounts of its environment: files and variables
// that the clouds' own tools look for. No key is in them: what they trade for access is a token that says
// which run this is.
func (r *execution) federate(ctx context.Context) error {
	p := r.assignment.Environment.Providers
	if p.Aws.RoleArn == "" && p.Gcp.ProjectNumber == "" {
		return nil
	}
	return r.phase(ctx, "cloud accounts", "", func(ctx context.Context, _ func(string)) (string, error) {
		var said []string
		if p.Aws.RoleArn != "" {
			if err := r.federateAWS(ctx, p.Aws); err != nil {
				return "", &stepError{message: "the token for AWS: " + err.Error(), advice: "See docs/federation.md.", err: err}
			}
			said = append(said, "AWS, role "+p.Aws.RoleArn)
		}
		if p.Gcp.ProjectNumber != "" {
			if err := r.federateGCP(p.Gcp); err != nil {
				return "", err
			}
			said = append(said, "Google Cloud, project "+p.Gcp.ProjectNumber)
		}
		return strings.Join(said, "; "), nil
	})
}

// federateAWS keeps a token in a file, which AWS's tools read whenever they need credentials.
func (r *execution) federateAWS(ctx context.Context, p api.AwsProviderConfig) error {
	path := filepath.Join(r.at.scratch, "aws-token")
	if err := r.writeToken(ctx, path); err != nil {
		return err
	}
	r.setEnv(map[string]string{
		"AWS_ROLE_ARN": p.RoleArn, "AWS_WEB_IDENTITY_TOKEN_FILE": path, "AWS_ROLE_SESSION_NAME": "Cadre_Run_" + r.assignment.RunId,
	})
	r.loop(func(ctx context.Context) error {
		for {
			if err := api.Pause(ctx, r.cfg.RenewTokens); err != nil {
				return nil //nolint:nilerr // the execution is over
			}
			if err := r.writeToken(ctx, path); err != nil {
				r.cfg.Log.Warn("the token for AWS could not be renewed", "run_id", r.assignment.RunId, "error", err)
			}
		}
	})
	return nil
}

// writeToken replaces the file with a fresh token. It waits for a server that is away.
func (r *execution) writeToken(ctx context.Context, path string) error {
	token, err := r.client.IdentityToken(ctx, r.assignment.RunId, api.IdentityTokenRequest{
		Audience: awsAudience, SubjectTemplate: []api.SubjectComponent{api.SubjectComponentScopedPrincipal},
	})
	if err != nil {
		return err
	}
	next := path + ".new"
	if err := os.WriteFile(next, []byte(token.Token), 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// federateGCP writes what Google's tools call a credential configuration: they ask our command for a token
// whenever they need one.
func (r *execution) federateGCP(p api.GcpProviderConfig) error {
	resource := fmt.Sprintf("//iam.googleapis.com/projects/%s/locations/global/workloadIdentityPools/%s/providers/%s",
		url.PathEscape(p.ProjectNumber), url.PathEscape(p.WorkloadIdentityFederationPoolId), url.PathEscape(p.WorkloadIdentityFederationProviderId))
	cli, err := r.cliPath()
	if err != nil {
		return err
	}
	config := map[string]any{
		"type": "external_account", "audience": resource, "token_url": "https://sts.googleapis.com/v1/token",
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"credential_source":  map[string]any{"executable": map[string]any{"command": cli + " federate issue-gcp-token", "timeout_millis": 30000}},
	}
	if p.ServiceAccountEmail != "" {
		config["service_account_impersonation_url"] = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" +
			url.PathEscape(p.ServiceAccountEmail) + ":generateAccessToken"
	}
	b, err := json.Marshal(config)
	if err != nil {
		return err
	}
	path := filepath.Join(r.at.scratch, "gcp-credentials.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return err
	}
	r.setEnv(map[string]string{
		"GOOGLE_APPLICATION_CREDENTIALS": path, "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": path,
		"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1",
	})
	return nil
}

// setEnv sets variables of the agent's processes, in place of what they would inherit.
func (r *execution) setEnv(set map[string]string) {
	env := slices.DeleteFunc(slices.Clone(r.env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, replaced := set[name]
		return replaced
	})
	for name, value := range set {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	r.env = env
}
