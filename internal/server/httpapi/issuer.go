package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity/issuer"
	"github.com/cadrehq/cadre/internal/run"
)

// IssueIdentityToken serves POST /agent/runs/{runId}/identity-token. The guard has seen that the run token's
// execution lives; it lets the token reach its run's children too, which speak for themselves.
func (a *API) IssueIdentityToken(ctx context.Context, req api.IssueIdentityTokenRequestObject) (api.IssueIdentityTokenResponseObject, error) {
	actor := actorOf(ctx)
	if req.RunId != actor.RunID {
		return nil, api.NotFound("run", req.RunId)
	}
	r, err := a.cfg.Runs.Get(ctx, actor, req.RunId)
	if err != nil {
		return nil, err
	}
	token, err := a.cfg.Issuer.Issue(ctx, bearerOf(r), *req.Body)
	if err != nil {
		return nil, err
	}
	return api.IssueIdentityToken200JSONResponse{Token: token.Raw, ExpiresAt: token.Expires, Issuer: token.Issuer}, nil
}

func bearerOf(r run.Run) issuer.Bearer {
	return issuer.Bearer{
		RunID: r.ID, Principal: r.Executor, TeamUID: r.TeamUID, EnvironmentID: r.Config.EnvironmentId,
		AgentName: r.Config.Name, Skill: r.Skill, Host: r.Host,
	}
}

// discovery serves what describes the issuer, issuerKeys what its tokens are checked with. Anybody may read and
// keep them.
func (a *API) discovery(w http.ResponseWriter, r *http.Request) {
	d, err := a.cfg.Issuer.Discovery()
	a.serveDocument(w, r, d, err)
}

func (a *API) issuerKeys(w http.ResponseWriter, r *http.Request) {
	d, err := a.cfg.Issuer.Keys(r.Context())
	a.serveDocument(w, r, d, err)
}

func (a *API) serveDocument(w http.ResponseWriter, r *http.Request, d issuer.Document, err error) {
	if err != nil {
		a.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(d.JSON)))
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(d.MaxAge.Seconds())))
	h.Set("Access-Control-Allow-Origin", "*") // public words; relying parties in browsers read them too
	_, _ = w.Write(d.JSON)                    // the client may be gone
}
