package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// guard is what every operation passes before its handler: a credential, the operation's permission
// and, for run tokens, its reach. It reads nothing of the body.
func (a *API) guard(op operation, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := stateOf(r.Context())
		s.operation = op.id
		if op.permission != public {
			// It holds no more of the request than it needs: streams keep it for long.
			credential, err := a.credential(r)
			if err != nil {
				a.fail(w, r, err)
				return
			}
			if token := r.Header.Get(workloadHeader); token != "" && op.reach == speaks {
				credential = identity.Credential{Bearer: token}
			}
			runID := r.PathValue("runId")
			actor, err := a.authorize(r.Context(), op, credential, runID)
			if err != nil {
				a.fail(w, r, err)
				return
			}
			s.actor = actor
			if err := a.admit(op, s, credential); err != nil {
				a.fail(w, r, err)
				return
			}
			defer func() {
				if s.leave != nil { // no stream came of it
					s.leave()
				}
			}()
			uid, team := actor.UID, actor.TeamUID
			s.recheck = func(ctx context.Context) error {
				now, err := a.authorize(ctx, op, credential, runID)
				if err == nil && (now.UID != uid || now.TeamUID != team) {
					// A sign-in outlives its person's membership, and works for another of their teams then.
					err = api.Fail(api.PlatformErrorCodeNotAuthorized, "the caller works for another team now")
				}
				return err
			}
		}
		if err := checkAddress(r); err != nil {
			a.fail(w, r, err)
			return
		}
		next(w, r)
	}
}

// authorize finds out who presents a credential and whether they may carry out an operation, on a run
// if its path names one.
func (a *API) authorize(ctx context.Context, op operation, c identity.Credential, runID string) (identity.Actor, error) {
	actor, err := a.cfg.Identity.Identify(ctx, c)
	if err != nil {
		return identity.Actor{}, err
	}
	if err := actor.Check(op.permission); err != nil {
		return identity.Actor{}, err
	}
	if actor.Kind != identity.KindRun || op.reach == execution {
		return actor, nil
	}
	if op.reach == outOfReach {
		return identity.Actor{}, api.Fail(api.PlatformErrorCodeNotAuthorized, "a run token may not %s", op.id)
	}
	// A run token's power ends with its execution, whatever its expiry.
	if err := a.cfg.Fence(ctx, actor); err != nil {
		return identity.Actor{}, err
	}
	if op.reach == ownRun && runID != actor.RunID {
		if err := checkRunID(runID); err != nil {
			return identity.Actor{}, err
		}
		_, err := a.cfg.Runs.Get(ctx, actor, runID)
		return actor, err
	}
	return actor, nil
}

// teamHeader names the team to work for, for people who are in several.
const teamHeader = "X-Cadre-Team"

// workloadHeader carries the run token of a sandbox whose agent presents a person's key beside it. It is
// the token that says which run speaks.
const workloadHeader = "X-Warp-Ambient-Workload-Token"

// credential returns what a request presents: the key or token of its Authorization header, else the
// cookie of a signed-in browser, which must come from a page of this server if it is to change something.
func (a *API) credential(r *http.Request) (identity.Credential, error) {
	c := identity.Credential{Bearer: bearer(r.Header.Get("Authorization")), Team: r.Header.Get(teamHeader)}
	if r.Header.Get("Authorization") != "" || a.cfg.Jar == nil {
		return c, nil
	}
	if c.SignIn = a.cfg.Jar.Read(r); c.SignIn != "" {
		return c, a.cfg.Jar.CheckJSON(r)
	}
	return c, nil
}

// bearer takes the credential of an Authorization header; "" when there is none. The scheme's case
// does not matter (RFC 9110).
func bearer(header string) string {
	const scheme = "bearer "
	if len(header) < len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return ""
	}
	return strings.TrimSpace(header[len(scheme):])
}

// checkAddress refuses what cannot be read of a request's address.
func checkAddress(r *http.Request) error {
	if err := checkQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return checkIDs(r)
}

// checkQuery refuses a query of which a part would be ignored: a filter that was not understood would
// list more than was asked for.
func checkQuery(raw string) error {
	if !strings.ContainsAny(raw, "%;[") && !strings.Contains(raw, "metadata") {
		return nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return api.Invalid("query", "could not be read: escape what is not a letter, a digit or one of -_.~")
	}
	for name, values := range query {
		if key, ok := strings.CutPrefix(name, "metadata"); ok {
			inner, opened := strings.CutPrefix(key, "[")
			inner, closed := strings.CutSuffix(inner, "]")
			if !opened || !closed || inner == "" || strings.ContainsAny(inner, "[]") || len(values) > 1 {
				return api.Invalid("metadata", "must be given as metadata[key]=value, once per key")
			}
		}
	}
	return nil
}

// checkIDs refuses path parameters that cannot name anything, so that no service sees them.
func checkIDs(r *http.Request) error {
	if err := checkRunID(r.PathValue("runId")); err != nil {
		return err
	}
	for _, name := range []string{"requestId", "messageId", "artifactUid", "environmentId", "agentUid", "storeUid", "memoryUid", "teamUid", "userUid", "invitationUid", "keyUid", "signInUid", "uploadId", "conversationId", "sessionUuid", "blobId"} {
		if id := r.PathValue(name); len(id) > 128 || !printable(id) {
			return api.Invalid(name, "is not an id")
		}
	}
	return nil
}

// checkRunID refuses what no run is called. A path without a run is as good as one with.
func checkRunID(id string) error {
	if id != "" && (len(id) != 36 || uuid.Validate(id) != nil) {
		return api.Invalid("runId", "is not the id of a run")
	}
	return nil
}

// printable reports whether s is visible ASCII only.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
