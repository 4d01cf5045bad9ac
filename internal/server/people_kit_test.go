package server_test

import (
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// passphrase is everybody's password.
const passphrase = "a good long passphrase"

// cookieKey begins a credential that is the secret of a browser's cookie.
const cookieKey = "cookie "

// me is who the world's key is of.
func (w *world) me() identity.Actor {
	w.t.Helper()
	a, err := w.srv.Identity().Authenticate(w.t.Context(), w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// team is the uid of the team the world's key works for.
func (w *world) team() string {
	w.t.Helper()
	return w.me().TeamUID
}

// person makes somebody who is in the team of the world's key, and returns their key for it.
func (w *world) person(name string, role identity.Role) (identity.User, string) {
	w.t.Helper()
	ids, ctx, team := w.srv.Identity(), w.t.Context(), w.team()
	secret, _, err := ids.Invite(ctx, w.me(), team, name+"@example.com", role, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := ids.Accept(ctx, secret, name, passphrase)
	if err != nil {
		w.t.Fatal(err)
	}
	return u, w.keyOf(u, team)
}

// keyOf makes a personal key.
func (w *world) keyOf(u identity.User, team string) string {
	w.t.Helper()
	key, _, err := w.srv.Identity().NewKey(w.t.Context(), u, identity.Team{UID: team}, identity.RoleAdmin, "key", time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// everybody are credentials of every kind of caller.
func (w *world) everybody() map[string]string {
	w.t.Helper()
	ids, ctx, me := w.srv.Identity(), w.t.Context(), w.me()
	keys := map[string]string{"operator": w.key, "anonymous": "", "garbage": identity.KeyPrefix + strings.Repeat("0", 64)}
	for _, role := range identity.AllRoles {
		_, keys[string(role)] = w.person(string(role), role)
	}
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	made := func(req identity.KeyRequest) (string, identity.Key) {
		w.t.Helper()
		req.Name = "probe"
		key, k, err := ids.CreateKey(ctx, me, req)
		must(err)
		return key, k
	}
	keys["team key"], _ = made(identity.KeyRequest{Owner: identity.OwnerTeam})
	keys["worker key"], _ = made(identity.KeyRequest{Owner: identity.OwnerTeam, Scopes: identity.Scopes{identity.ScopeWorker}})
	keys["read key"], _ = made(identity.KeyRequest{Scopes: identity.Scopes{identity.ScopeRead}})
	keys["runs key"], _ = made(identity.KeyRequest{Scopes: identity.Scopes{identity.ScopeRuns}})
	var k identity.Key
	keys["revoked"], k = made(identity.KeyRequest{})
	_, err := ids.RevokeKey(ctx, me, k.UID)
	must(err)
	var expired error
	keys["expired"], _, expired = ids.NewKey(ctx, identity.User{UID: me.UID}, identity.Team{UID: me.TeamUID}, identity.RoleAdmin, "old", time.Now().Add(-time.Second))
	must(expired)

	removed, key := w.person("removed", identity.RoleAdmin)
	keys["removed"] = key
	must(ids.RemoveMember(ctx, me, me.TeamUID, removed.UID))
	disabled, key := w.person("disabled", identity.RoleAdmin)
	keys["disabled"] = key
	_, err = ids.SetDisabled(ctx, me, disabled.UID, true)
	must(err)
	keys["other team"] = w.otherTeam()
	browser, _ := w.person("browser", identity.RoleMember)
	for _, name := range []string{"browser", "other site", "signed out"} {
		secret, _, err := ids.SignIn(ctx, browser, "password", identity.Browser{})
		must(err)
		keys[name] = cookieKey + secret
	}
	out, err := ids.Identify(ctx, identity.Credential{SignIn: strings.TrimPrefix(keys["signed out"], cookieKey)})
	must(err)
	must(ids.SignOut(ctx, out, ""))
	return keys
}

// otherTeam makes a team with an admin of its own, and returns their key.
func (w *world) otherTeam() string {
	w.t.Helper()
	t := decode[api.Team](w.post("/teams", api.RenameRequest{Name: "Others"}).want(201))
	over := w.keyOf(identity.User{UID: w.me().UID}, t.Uid)
	_, key := w.as(over).person("stranger", identity.RoleAdmin)
	return key
}
