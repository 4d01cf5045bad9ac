package runner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
)

// TestTokensAreRenewed: the file that AWS's tools read holds a newer token after a while, also when the
// server was away, and never half of one.
func TestTokensAreRenewed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	asked := 0
	s.http.Config.Handler.(*http.ServeMux).HandleFunc("POST /api/v1/agent/runs/{id}/identity-token", func(w http.ResponseWriter, r *http.Request) {
		var req api.IdentityTokenRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil || req.Audience != "sts.amazonaws.com" || r.PathValue("id") != s.assignment.RunId {
			t.Errorf("asked for %+v: %v", req, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if asked++; asked == 2 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(api.IdentityTokenResponse{Token: fmt.Sprintf("token-%d-end", asked)})
	})
	s.assignment.Environment.Providers.Aws.RoleArn = "arn:aws:iam::1:role/r"
	h := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		path, err := shell(ctx, h, `printf %s "$AWS_WEB_IDENTITY_TOKEN_FILE"`)
		if err != nil {
			return harness.Outcome{}, err
		}
		for deadline := time.Now().Add(20 * time.Second); ; {
			b, err := os.ReadFile(path)
			if err != nil || !strings.HasSuffix(string(b), "-end") || time.Now().After(deadline) {
				t.Errorf("the file holds %q: %v", b, err)
				return succeeded, nil
			}
			if string(b) > "token-2" {
				return succeeded, nil
			}
		}
	}}
	cfg := config(t, s, h)
	cfg.RenewTokens = time.Millisecond
	if result := run(t, cfg); result.State != api.RunStateSUCCEEDED {
		t.Errorf("%+v", result)
	}
}
