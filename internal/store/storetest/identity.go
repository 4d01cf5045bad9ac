package storetest

import (
	"crypto/sha256"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// sum is the hash of a secret.
func sum(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// admin is what Bootstrap gets.
func admin(key string) (identity.Team, identity.User, identity.Key) {
	return identity.Team{UID: "t-" + key, Name: "Team", CreatedAt: noon},
		identity.User{UID: "u-" + key, Name: "Admin", Email: "a@example.com", CreatedAt: noon, Operator: true},
		identity.Key{UID: "k-" + key, Name: "first", Hash: sum(key), Suffix: "abcd", OwnerType: identity.OwnerUser,
			OwnerUID: "u-" + key, TeamUID: "t-" + key, Role: identity.RoleAdmin, Scopes: identity.Scopes{identity.ScopeFull},
			CreatorUID: "u-" + key, CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}
}

// first bootstraps the database.
func (b *bundle) first() (identity.Team, identity.User, identity.Key) {
	b.Helper()
	t, u, k := admin("x")
	created, err := b.identity.Bootstrap(b.ctx, t, u, k)
	b.ok(err)
	same(b, "created", created, true)
	return t, u, k
}

// invite makes somebody a member by an invitation.
func (b *bundle) invite(teamUID, name string, role identity.Role) identity.User {
	b.Helper()
	i := identity.Invitation{UID: "i-" + name + teamUID, Hash: sum(name + teamUID), TeamUID: teamUID, Email: name + "@example.com",
		Role: role, CreatorUID: "u-x", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}
	b.ok(b.identity.PutInvitation(b.ctx, i))
	u := identity.User{UID: "u-" + name, Name: name, Email: i.Email, CreatedAt: noon.Add(time.Minute), Password: "sealed"}
	b.ok(b.identity.AcceptInvitation(b.ctx, i.Hash, func(_ identity.Invitation, holder *identity.User) (identity.User, error) {
		if holder != nil {
			return *holder, nil
		}
		return u, nil
	}))
	return u
}

// roles are a team's members by uid.
func (b *bundle) roles(teamUID string) map[string]identity.Role {
	b.Helper()
	members, err := b.identity.Members(b.ctx, teamUID)
	b.ok(err)
	roles := map[string]identity.Role{}
	for _, m := range members {
		roles[m.User.UID] = m.Role
	}
	return roles
}

func testBootstrap(b *bundle) {
	results := make([]bool, 8)
	each(len(results), func(i int) {
		t, u, k := admin(string(rune('a' + i)))
		var err error
		if results[i], err = b.identity.Bootstrap(b.ctx, t, u, k); err != nil {
			b.Error(err)
		}
	})
	created := 0
	for i, did := range results {
		t, u, k := admin(string(rune('a' + i)))
		key, err := b.identity.KeyByHash(b.ctx, k.Hash)
		if !did {
			b.code(err, api.PlatformErrorCodeResourceNotFound)
			continue
		}
		created++
		b.ok(err)
		same(b, "key", key, k)
		user, teams, err := b.identity.User(b.ctx, u.UID)
		b.ok(err)
		same(b, "user", user, u)
		same(b, "teams", teams, []identity.Membership{{TeamUID: t.UID, TeamName: t.Name, Role: identity.RoleAdmin}})
	}
	same(b, "bootstraps", created, 1)
}

func testKeys(b *bundle) {
	_, _, k := b.first()
	second := k
	second.UID, second.Hash, second.Role = "k2", []byte{1, 2, 3}, identity.RoleViewer
	b.ok(b.identity.PutKey(b.ctx, second))
	second.RevokedAt = noon.Add(time.Minute)
	b.ok(b.identity.PutKey(b.ctx, second))
	got, err := b.identity.KeyByHash(b.ctx, second.Hash)
	b.ok(err)
	same(b, "replaced key", got, second)

	clash := second
	clash.UID = "k3"
	b.code(b.identity.PutKey(b.ctx, clash), api.PlatformErrorCodeConflict)

	b.ok(b.identity.Touch(b.ctx, map[string]time.Time{k.UID: noon.Add(time.Hour), "unknown": noon}))
	b.ok(b.identity.Touch(b.ctx, map[string]time.Time{k.UID: noon})) // late: changes nothing
	got, err = b.identity.KeyByHash(b.ctx, k.Hash)
	b.ok(err)
	same(b, "last used", got.LastUsedAt, noon.Add(time.Hour))
}

func testKeyLists(b *bundle) {
	team, user, k := b.first()
	put := func(uid string, owner identity.KeyOwner, ownerUID, teamUID string, minute int) {
		one := k
		one.UID, one.Hash, one.OwnerType, one.OwnerUID, one.TeamUID = uid, sum(uid), owner, ownerUID, teamUID
		one.Scopes, one.CreatedAt = identity.Scopes{identity.ScopeWorker, identity.ScopeRead}, noon.Add(time.Duration(minute)*time.Minute)
		b.ok(b.identity.PutKey(b.ctx, one))
	}
	put("team", identity.OwnerTeam, team.UID, team.UID, 1)
	put("agent", identity.OwnerAgent, "a1", team.UID, 2)
	put("elsewhere", identity.OwnerTeam, "t2", "t2", 3)
	put("colleague", identity.OwnerUser, "u2", team.UID, 4)
	put("own", identity.OwnerUser, user.UID, "t2", 5)
	list := func() (uids []string) {
		keys, err := b.identity.Keys(b.ctx, user.UID, team.UID)
		b.ok(err)
		for _, k := range keys {
			uids = append(uids, k.UID)
		}
		return uids
	}
	same(b, "keys", list(), []string{"own", "agent", "team", "k-x"})
	b.ok(b.identity.ChangeKey(b.ctx, "agent", func(k *identity.Key) error {
		same(b, "scopes", k.Scopes.String(), "worker read")
		k.Name, k.RevokedAt = "gone", noon.Add(time.Hour)
		return nil
	}))
	same(b, "keys", list(), []string{"own", "team", "k-x"})
	got, err := b.identity.KeyByHash(b.ctx, sum("agent"))
	b.ok(err)
	same(b, "revoked", got.RevokedAt, noon.Add(time.Hour))
	refusal := errors.New("no")
	if err := b.identity.ChangeKey(b.ctx, "team", func(k *identity.Key) error { k.Name = "x"; return refusal }); !errors.Is(err, refusal) {
		b.Errorf("a refused change says %v", err)
	}
	b.code(b.identity.ChangeKey(b.ctx, "none", func(*identity.Key) error { return nil }), api.PlatformErrorCodeResourceNotFound)
}

func testPeople(b *bundle) {
	_, u, _ := b.first()
	bob := b.invite("t-x", "bob", identity.RoleMember)
	got, err := b.identity.UserByEmail(b.ctx, "bob@example.com")
	b.ok(err)
	same(b, "bob", got, bob)
	for _, nobody := range []string{"", "BOB@example.com", "none@example.com"} {
		_, err = b.identity.UserByEmail(b.ctx, nobody)
		b.code(err, api.PlatformErrorCodeResourceNotFound)
	}
	users, err := b.identity.Users(b.ctx)
	b.ok(err)
	same(b, "users", users, []identity.User{u, bob})

	b.ok(b.identity.PutSignIn(b.ctx, signIn("s1", bob.UID, "t-x")))
	b.ok(b.identity.ChangeUser(b.ctx, bob.UID, func(u *identity.User) error {
		u.Name, u.Password, u.DisabledAt, u.Operator = "Bobby", "other", noon, true
		return nil
	}))
	bob.Name, bob.Password, bob.DisabledAt, bob.Operator = "Bobby", "other", noon, true
	got, _, err = b.identity.User(b.ctx, bob.UID)
	b.ok(err)
	same(b, "changed", got, bob)
	_, err = b.identity.SignInByHash(b.ctx, sum("s1"))
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	b.code(b.identity.ChangeUser(b.ctx, bob.UID, func(u *identity.User) error { u.Email = "a@example.com"; return nil }), api.PlatformErrorCodeConflict)
	_, _, err = b.identity.User(b.ctx, "nobody")
	b.code(err, api.PlatformErrorCodeResourceNotFound)
}

func testTeams(b *bundle) {
	_, u, _ := b.first()
	later := identity.Team{UID: "t2", Name: "Second", CreatedAt: noon.Add(time.Hour)}
	b.ok(b.identity.CreateTeam(b.ctx, later, u.UID))
	b.ok(b.identity.ChangeTeam(b.ctx, "t2", func(t *identity.Team) error { t.Name = "Renamed"; return nil }))
	later.Name = "Renamed"
	got, err := b.identity.Team(b.ctx, "t2")
	b.ok(err)
	same(b, "team", got, later)
	all, err := b.identity.Teams(b.ctx)
	b.ok(err)
	same(b, "teams", len(all), 2)
	_, teams, err := b.identity.User(b.ctx, u.UID)
	b.ok(err)
	same(b, "memberships", teams, []identity.Membership{{TeamUID: "t-x", TeamName: "Team", Role: identity.RoleAdmin}, {TeamUID: "t2", TeamName: "Renamed", Role: identity.RoleAdmin}})
	b.code(b.identity.ChangeTeam(b.ctx, "none", func(*identity.Team) error { return nil }), api.PlatformErrorCodeResourceNotFound)
	b.code(b.identity.ChangeMembers(b.ctx, "none", nil), api.PlatformErrorCodeResourceNotFound)
}

// testLastAdminTogether: two admins who remove each other at the same moment leave one.
func testLastAdminTogether(b *bundle) {
	b.first()
	b.invite("t-x", "bob", identity.RoleAdmin)
	var refused atomic.Int64
	each(2, func(i int) {
		victim := []string{"u-x", "u-bob"}[i]
		err := b.identity.ChangeMembers(b.ctx, "t-x", func(members []identity.Member) (identity.MemberChange, error) {
			if len(members) < 2 {
				return identity.MemberChange{}, errors.New("the last one stays")
			}
			return identity.MemberChange{Remove: []string{victim}}, nil
		})
		if err != nil {
			refused.Add(1)
		}
	})
	same(b, "refused", refused.Load(), int64(1))
	same(b, "left", len(b.roles("t-x")), 1)
}

// testLastOperatorTogether: two operators who shut out each other at the same moment leave one.
func testLastOperatorTogether(b *bundle) {
	_, u, _ := b.first()
	bob := b.invite("t-x", "bob", identity.RoleMember)
	b.ok(b.identity.ChangeUser(b.ctx, bob.UID, func(u *identity.User) error { u.Operator = true; return nil }))
	var refused atomic.Int64
	each(2, func(i int) {
		err := b.identity.ChangeUser(b.ctx, []string{u.UID, bob.UID}[i], func(u *identity.User) error {
			if i == 0 {
				u.Operator = false
			} else {
				u.DisabledAt = noon
			}
			return nil
		})
		switch {
		case errors.Is(err, identity.ErrLastOperator):
			refused.Add(1)
		case err != nil:
			b.Error(err)
		}
	})
	same(b, "refused", refused.Load(), int64(1))
}

func testRemoveMember(b *bundle) {
	team, _, k := b.first()
	bob := b.invite(team.UID, "bob", identity.RoleMember)
	b.ok(b.identity.CreateTeam(b.ctx, identity.Team{UID: "t2", Name: "Second", CreatedAt: noon}, bob.UID))
	for uid, in := range map[string]string{"here": team.UID, "there": "t2"} {
		own := k
		own.UID, own.Hash, own.OwnerUID, own.TeamUID = uid, sum(uid), bob.UID, in
		b.ok(b.identity.PutKey(b.ctx, own))
		b.ok(b.identity.PutSignIn(b.ctx, signIn("s-"+uid, bob.UID, in)))
	}
	device := identity.Device{Hash: sum("d"), Code: "CODE", Decision: identity.DeviceApproved, UserUID: bob.UID, TeamUID: team.UID, ExpiresAt: noon}
	b.ok(b.identity.PutDevice(b.ctx, device))
	for by, in := range map[string]string{"u-x": team.UID, bob.UID: team.UID, "u-other": team.UID, "u-bob ": "t2"} {
		b.ok(b.identity.PutInvitation(b.ctx, identity.Invitation{UID: "by " + by, Hash: sum("by " + by), TeamUID: in, Email: "e@x", Role: identity.RoleAdmin, CreatorUID: strings.TrimSpace(by), ExpiresAt: noon}))
	}
	b.ok(b.identity.ChangeMembers(b.ctx, team.UID, func(members []identity.Member) (identity.MemberChange, error) {
		same(b, "members", len(members), 2)
		promoted := members[0]
		promoted.Role, promoted.Source = identity.RoleViewer, "corp"
		return identity.MemberChange{Put: []identity.Member{promoted}, Remove: []string{bob.UID}}, nil
	}))
	same(b, "roles", b.roles(team.UID), map[string]identity.Role{"u-x": identity.RoleViewer})
	key, err := b.identity.KeyByHash(b.ctx, sum("here"))
	b.ok(err)
	same(b, "key of the team revoked", key.RevokedAt.IsZero(), false)
	key, err = b.identity.KeyByHash(b.ctx, sum("there"))
	b.ok(err)
	same(b, "key of the other revoked", key.RevokedAt.IsZero(), true)
	_, err = b.identity.SignInByHash(b.ctx, sum("s-here"))
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	_, err = b.identity.SignInByHash(b.ctx, sum("s-there"))
	b.ok(err)
	_, err = b.identity.DeviceByCode(b.ctx, "CODE")
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	// Their invitations go, those of who is no admin now too, and no others.
	for in, want := range map[string]string{team.UID: "by u-other", "t2": "by u-bob "} {
		left, err := b.identity.Invitations(b.ctx, in)
		b.ok(err)
		same(b, "invitations", len(left), 1)
		same(b, "invitation", left[0].UID, want)
	}
	// The admin's key is nobody else's business.
	key, err = b.identity.KeyByHash(b.ctx, k.Hash)
	b.ok(err)
	same(b, "admin's key revoked", key.RevokedAt.IsZero(), true)
}

// signIn is a sign-in whose secret is its uid.
func signIn(uid, userUID, teamUID string) identity.SignIn {
	return identity.SignIn{UID: uid, Hash: sum(uid), UserUID: userUID, TeamUID: teamUID, Method: "password", Device: "curl",
		Address: "127.0.0.1", CreatedAt: noon, SeenAt: noon, ExpiresAt: noon.Add(time.Hour)}
}

func testSignIns(b *bundle) {
	s1, s2, other := signIn("s1", "ann", "t1"), signIn("s2", "ann", "t1"), signIn("s3", "bob", "t1")
	for _, s := range []identity.SignIn{s1, s2, other} {
		b.ok(b.identity.PutSignIn(b.ctx, s))
	}
	b.ok(b.identity.Touch(b.ctx, map[string]time.Time{"s2": noon.Add(time.Minute), "s1": noon.Add(-time.Minute)}))
	b.ok(b.identity.ChooseTeam(b.ctx, "s1", "t2"))
	s1.TeamUID, s2.SeenAt = "t2", noon.Add(time.Minute)
	list, err := b.identity.SignIns(b.ctx, "ann")
	b.ok(err)
	same(b, "sign-ins", list, []identity.SignIn{s2, s1})
	b.code(b.identity.ChooseTeam(b.ctx, "s9", "t2"), api.PlatformErrorCodeResourceNotFound)

	ended := func(want int, user, uid string, others bool) {
		n, err := b.identity.EndSignIns(b.ctx, user, uid, others)
		b.ok(err)
		same(b, "ended", n, want)
	}
	ended(0, "bob", "s1", false) // not theirs
	ended(1, "ann", "s2", true)
	ended(1, "ann", "s2", false)
	ended(0, "ann", "s2", false)
	_, err = b.identity.SignInByHash(b.ctx, other.Hash)
	b.ok(err)
}

func testLinks(b *bundle) {
	l := identity.Link{Hash: sum("link"), UserUID: "ann", CreatorUID: "bob", ExpiresAt: noon}
	b.ok(b.identity.PutLink(b.ctx, l))
	var taken atomic.Int64
	each(8, func(int) {
		got, err := b.identity.TakeLink(b.ctx, l.Hash)
		if err == nil {
			taken.Add(1)
			same(b, "link", got, l)
		} else if api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
			b.Error(err)
		}
	})
	same(b, "taken", taken.Load(), int64(1))
}

func testInvitations(b *bundle) {
	team, u, _ := b.first()
	put := func(uid string, at time.Time) identity.Invitation {
		i := identity.Invitation{UID: uid, Hash: sum(uid), TeamUID: team.UID, TeamName: team.Name, Email: "new@example.com",
			Role: identity.RoleViewer, CreatorUID: u.UID, CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
		b.ok(b.identity.PutInvitation(b.ctx, i))
		return i
	}
	first, second := put("i1", noon), put("i2", noon.Add(time.Minute))
	list, err := b.identity.Invitations(b.ctx, team.UID)
	b.ok(err)
	same(b, "invitations", list, []identity.Invitation{second, first})
	got, err := b.identity.InvitationByHash(b.ctx, first.Hash)
	b.ok(err)
	same(b, "invitation", got, first)
	b.code(b.identity.DeleteInvitation(b.ctx, "other", "i1"), api.PlatformErrorCodeResourceNotFound)
	b.ok(b.identity.DeleteInvitation(b.ctx, team.UID, "i1"))
	b.code(b.identity.DeleteInvitation(b.ctx, team.UID, "i1"), api.PlatformErrorCodeResourceNotFound)

	// Who has the address is shown to the decision, and who is a member stays what they are.
	toAdmin := second
	toAdmin.UID, toAdmin.Hash, toAdmin.Email = "i3", sum("i3"), u.Email
	b.ok(b.identity.PutInvitation(b.ctx, toAdmin))
	b.ok(b.identity.AcceptInvitation(b.ctx, toAdmin.Hash, func(i identity.Invitation, holder *identity.User) (identity.User, error) {
		same(b, "holder", holder.UID, u.UID)
		return *holder, nil
	}))
	same(b, "roles", b.roles(team.UID), map[string]identity.Role{u.UID: identity.RoleAdmin})
}

// testAcceptTogether: an invitation works once, however many try at the same moment.
func testAcceptTogether(b *bundle) {
	team, _, _ := b.first()
	i := identity.Invitation{UID: "i", Hash: sum("i"), TeamUID: team.UID, Email: "n@example.com", Role: identity.RoleMember, CreatedAt: noon, ExpiresAt: noon}
	b.ok(b.identity.PutInvitation(b.ctx, i))
	var accepted atomic.Int64
	each(6, func(n int) {
		err := b.identity.AcceptInvitation(b.ctx, i.Hash, func(identity.Invitation, *identity.User) (identity.User, error) {
			return identity.User{UID: "new-" + string(rune('a'+n)), Email: i.Email, CreatedAt: noon}, nil
		})
		if err == nil {
			accepted.Add(1)
		} else if api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
			b.Error(err)
		}
	})
	same(b, "accepted", accepted.Load(), int64(1))
	same(b, "members", len(b.roles(team.UID)), 2)
}

func testDevices(b *bundle) {
	d := identity.Device{Hash: sum("d"), Code: "BCDFGHJK", Browser: identity.Browser{Device: "cli on host", Address: "10.0.0.1"},
		CreatedAt: noon, ExpiresAt: noon.Add(time.Minute)}
	b.ok(b.identity.PutDevice(b.ctx, d))
	b.code(b.identity.PutDevice(b.ctx, d), api.PlatformErrorCodeConflict)
	b.ok(b.identity.PollDevice(b.ctx, d.Hash, func(got *identity.Device) (*identity.Key, bool, error) {
		same(b, "device", *got, d)
		got.PolledAt = noon.Add(time.Second)
		return nil, false, nil
	}))
	b.ok(b.identity.DecideDevice(b.ctx, d.Code, func(got *identity.Device) error {
		got.Decision, got.UserUID, got.TeamUID = identity.DeviceApproved, "u", "t"
		return nil
	}))
	d.PolledAt, d.Decision, d.UserUID, d.TeamUID = noon.Add(time.Second), identity.DeviceApproved, "u", "t"
	got, err := b.identity.DeviceByCode(b.ctx, d.Code)
	b.ok(err)
	same(b, "decided", got, d)
	_, _, k := admin("device")
	var given atomic.Int64
	each(6, func(int) {
		err := b.identity.PollDevice(b.ctx, d.Hash, func(*identity.Device) (*identity.Key, bool, error) { return &k, true, nil })
		if err == nil {
			given.Add(1)
		} else if api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
			b.Error(err)
		}
	})
	same(b, "keys given", given.Load(), int64(1))
	_, err = b.identity.KeyByHash(b.ctx, k.Hash)
	b.ok(err)
	b.code(b.identity.DecideDevice(b.ctx, d.Code, nil), api.PlatformErrorCodeResourceNotFound)
}

func testAttempts(b *bundle) {
	each(20, func(int) {
		if err := b.identity.Attempt(b.ctx, "s", func(a identity.Attempts) (identity.Attempts, error) {
			a.Count, a.At, a.Until = a.Count+1, noon, noon.Add(time.Minute)
			return a, nil
		}); err != nil {
			b.Error(err)
		}
	})
	refusal := errors.New("no")
	err := b.identity.Attempt(b.ctx, "s", func(a identity.Attempts) (identity.Attempts, error) {
		same(b, "counted", a, identity.Attempts{Count: 20, At: noon, Until: noon.Add(time.Minute)})
		return identity.Attempts{}, refusal
	})
	if !errors.Is(err, refusal) {
		b.Errorf("a refused attempt says %v", err)
	}
	b.ok(b.identity.ForgetAttempts(b.ctx, "s"))
	b.ok(b.identity.Attempt(b.ctx, "s", func(a identity.Attempts) (identity.Attempts, error) {
		same(b, "forgotten", a, identity.Attempts{})
		return a, nil
	}))
}

func testFederate(b *bundle) {
	team, u, k := b.first()
	b.ok(b.identity.PutInvitation(b.ctx, identity.Invitation{UID: "i", Hash: sum("i"), TeamUID: team.UID, Email: "eve@example.com",
		Role: identity.RoleMember, CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}))
	eve := identity.User{UID: "u-eve", Name: "Eve", Email: "eve@example.com", CreatedAt: noon}
	var made atomic.Int64
	each(4, func(int) {
		err := b.identity.Federate(b.ctx, "corp", "sub-1", eve.Email, func(f *identity.FederatedPerson) (identity.User, error) {
			if f.User != nil {
				return *f.User, nil
			}
			if len(f.Invited) != 1 || len(f.All) != 1 {
				b.Errorf("the decision sees %+v", f)
			}
			made.Add(1)
			f.Accept = f.Invited
			f.Join = []identity.Membership{{TeamUID: team.UID, Role: identity.RoleAdmin, Source: "corp"}}
			return eve, nil
		})
		if err != nil {
			b.Error(err)
		}
	})
	same(b, "accounts made", made.Load(), int64(1))
	left, err := b.identity.Invitations(b.ctx, team.UID)
	b.ok(err)
	same(b, "invitations left", len(left), 0)

	// The subject stays the same person when the address changes, and an address finds its account.
	b.ok(b.identity.Federate(b.ctx, "corp", "sub-1", "new@example.com", func(f *identity.FederatedPerson) (identity.User, error) {
		same(b, "by subject", f.User.UID, eve.UID)
		same(b, "teams", f.Teams, []identity.Membership{{TeamUID: team.UID, TeamName: team.Name, Role: identity.RoleAdmin, Source: "corp"}})
		same(b, "only admin of", len(f.OnlyAdmin), 0)
		f.Leave = []string{team.UID}
		return *f.User, nil
	}))
	same(b, "roles", b.roles(team.UID), map[string]identity.Role{u.UID: identity.RoleAdmin})
	for _, known := range []bool{false, true} {
		b.ok(b.identity.PutSignIn(b.ctx, signIn("s", u.UID, team.UID)))
		b.ok(b.identity.PutLink(b.ctx, identity.Link{Hash: sum("l"), UserUID: u.UID, ExpiresAt: noon}))
		b.ok(b.identity.Federate(b.ctx, "corp", "sub-2", u.Email, func(f *identity.FederatedPerson) (identity.User, error) {
			same(b, "proven", f.Proven, known)
			f.Renew = true
			return *f.User, nil
		}))
		_, err := b.identity.SignInByHash(b.ctx, sum("s"))
		b.code(err, api.PlatformErrorCodeResourceNotFound)
		_, err = b.identity.TakeLink(b.ctx, sum("l"))
		b.code(err, api.PlatformErrorCodeResourceNotFound)
		key, err := b.identity.KeyByHash(b.ctx, k.Hash)
		b.ok(err)
		same(b, "key revoked", key.RevokedAt.IsZero(), false)
	}
	b.ok(b.identity.Federate(b.ctx, "corp", "sub-2", u.Email, func(f *identity.FederatedPerson) (identity.User, error) {
		same(b, "by address", f.User.UID, u.UID)
		same(b, "only admin of", f.OnlyAdmin, []string{team.UID})
		return *f.User, nil
	}))
}

func testPrune(b *bundle) {
	team, _, _ := b.first()
	b.ok(b.identity.PutSignIn(b.ctx, signIn("old", "ann", "t")))
	fresh := signIn("new", "ann", "t")
	fresh.ExpiresAt = noon.Add(3 * time.Hour)
	b.ok(b.identity.PutSignIn(b.ctx, fresh))
	b.ok(b.identity.PutLink(b.ctx, identity.Link{Hash: sum("l"), UserUID: "ann", ExpiresAt: noon}))
	b.ok(b.identity.PutDevice(b.ctx, identity.Device{Hash: sum("d"), Code: "C", ExpiresAt: noon}))
	b.ok(b.identity.PutInvitation(b.ctx, identity.Invitation{UID: "i", Hash: sum("i"), TeamUID: team.UID, Email: "e@x", ExpiresAt: noon}))
	b.ok(b.identity.Attempt(b.ctx, "s", func(a identity.Attempts) (identity.Attempts, error) {
		return identity.Attempts{Count: 3, At: noon}, nil
	}))
	b.ok(b.identity.Prune(b.ctx, noon.Add(2*time.Hour), noon.Add(time.Hour)))
	list, err := b.identity.SignIns(b.ctx, "ann")
	b.ok(err)
	same(b, "sign-ins", list, []identity.SignIn{fresh})
	_, err = b.identity.TakeLink(b.ctx, sum("l"))
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	_, err = b.identity.DeviceByCode(b.ctx, "C")
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	open, err := b.identity.Invitations(b.ctx, team.UID)
	b.ok(err)
	same(b, "invitations", len(open), 0)
	b.ok(b.identity.Attempt(b.ctx, "s", func(a identity.Attempts) (identity.Attempts, error) {
		same(b, "attempts", a, identity.Attempts{})
		return a, nil
	}))
}

func testSecret(b *bundle) {
	results := make([]string, 16)
	each(len(results), func(i int) {
		s, err := b.identity.Secret(b.ctx, "signing", []byte{byte(i), 0, 255})
		if err != nil {
			b.Error(err)
		}
		results[i] = string(s)
	})
	for _, s := range results {
		same(b, "secret", s, results[0])
	}
	same(b, "length", len(results[0]), 3)
}
