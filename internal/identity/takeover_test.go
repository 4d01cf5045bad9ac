package identity_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

const passphrase = "a good long passphrase"

// invited is somebody who accepted an invitation with a password.
func invited(t *testing.T, s *identity.Service, by identity.Actor, email string, role identity.Role) identity.User {
	t.Helper()
	secret, _, err := s.Invite(t.Context(), by, by.TeamUID, email, role, 0)
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.Accept(t.Context(), secret, email, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// entered is somebody signed in by password.
func entered(t *testing.T, s *identity.Service, email string) identity.Actor {
	t.Helper()
	secret, _, err := s.SignInByPassword(t.Context(), email, passphrase, identity.Browser{Address: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Identify(t.Context(), identity.Credential{SignIn: secret})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestOthersGuessesKeepNobodyOut: who guesses at an account is slowed down where they are; its owner,
// elsewhere, is not, and neither is their change of password nor a link.
func TestOthersGuessesKeepNobodyOut(t *testing.T) {
	s, _, c, key := newService(t)
	admin, err := s.Authenticate(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	ann := invited(t, s, admin, "ann@example.com", identity.RoleMember)
	mallory := identity.Browser{Address: "203.0.113.9"}
	refused := 0
	for range 30 {
		_, _, err := s.SignInByPassword(t.Context(), "ann@example.com", "a guess", mallory)
		if api.CodeOf(err) == api.PlatformErrorCodeResourceUnavailable {
			refused++
		}
	}
	if refused < 20 {
		t.Fatalf("%d of 30 guesses are refused", refused)
	}
	actor := entered(t, s, "ann@example.com")
	if err := s.SetPassword(t.Context(), actor, passphrase, "another good long one"); err != nil {
		t.Fatal(err)
	}
	link, _, err := s.MintLink(t.Context(), admin, ann.UID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 { // all of them wrong, from where Ann is too
		if _, _, err := s.SignInByLink(t.Context(), fmt.Sprintf("no such link %d", i), mallory); api.CodeOf(err) != api.PlatformErrorCodeAuthenticationRequired {
			t.Fatal(err)
		}
	}
	if _, _, err := s.SignInByLink(t.Context(), link, mallory); err != nil {
		t.Fatal(err)
	}
	// Guesses from everywhere together slow an account down too, for a little.
	var last error
	for i := range limitEverywhere {
		last = s.Guess(t.Context(), "nobody@example.com", identity.Browser{Address: fmt.Sprintf("198.51.100.%d", i)})
	}
	if api.CodeOf(last) != api.PlatformErrorCodeResourceUnavailable {
		t.Errorf("an account can be guessed at from everywhere without end: %v", last)
	}
	c.now = c.now.Add(20 * time.Second)
	if _, _, err := s.SignInByPassword(t.Context(), "nobody@example.com", "x", identity.Browser{Address: "192.0.2.7"}); api.CodeOf(err) != api.PlatformErrorCodeAuthenticationRequired {
		t.Errorf("after a wait: %v", err)
	}
}

// limitEverywhere is one more than how often an account can be guessed at in a moment.
const limitEverywhere = 101

// TestManySignInsFromOnePlace: an office does not run into the limit by being right.
func TestManySignInsFromOnePlace(t *testing.T) {
	s, _, _, _ := newService(t)
	office := identity.Browser{Address: "192.0.2.1"}
	for i := range 60 {
		who := fmt.Sprintf("%d@example.com", i)
		if err := s.Guess(t.Context(), who, office); err != nil {
			t.Fatal(err)
		}
		s.Guessed(t.Context(), who, office)
	}
	refused := false
	for i := range 60 { // but by being wrong
		refused = refused || s.Guess(t.Context(), fmt.Sprintf("%d@example.com", i), office) != nil
	}
	if !refused {
		t.Error("passwords can be tried from one place without end")
	}
}

// TestAccountWaitsForNobody: whoever an admin invites by another's address holds the account until its
// owner comes by a provider. From then on it is the owner's alone.
func TestAccountWaitsForNobody(t *testing.T) {
	s, m, _, key := newService(t)
	admin, err := s.Authenticate(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	u := invited(t, s, admin, "bob@example.com", identity.RoleMember)
	squatter := entered(t, s, "bob@example.com")
	stolen, _, err := s.CreateKey(t.Context(), squatter, identity.KeyRequest{Name: "later"})
	if err != nil {
		t.Fatal(err)
	}
	word := identity.Vouched{Provider: "corp", Subject: "bob", Email: "bob@example.com", Verified: true}
	if _, _, err := s.SignInVouched(t.Context(), word, identity.Policy{}, identity.Browser{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), stolen); api.CodeOf(err) != api.PlatformErrorCodeAuthenticationRequired {
		t.Errorf("the squatter's key: %v", err)
	}
	if _, _, err := s.SignInByPassword(t.Context(), "bob@example.com", passphrase, identity.Browser{}); api.CodeOf(err) != api.PlatformErrorCodeAuthenticationRequired {
		t.Errorf("the squatter's password: %v", err)
	}
	if list, err := m.SignIns(t.Context(), u.UID); err != nil || len(list) != 1 {
		t.Errorf("%d sign-ins, %v", len(list), err)
	}

	// Who comes by the provider from where they are signed in is known to be one: they keep everything.
	invited(t, s, admin, "ann@example.com", identity.RoleMember)
	ann := entered(t, s, "ann@example.com")
	own, _, err := s.CreateKey(t.Context(), ann, identity.KeyRequest{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	word = identity.Vouched{Provider: "corp", Subject: "ann", Email: "ann@example.com", Verified: true, Present: ann.UID}
	for range 2 {
		if _, _, err := s.SignInVouched(t.Context(), word, identity.Policy{}, identity.Browser{}); err != nil {
			t.Fatal(err)
		}
		word.Present = "" // nor later, from anywhere
	}
	if _, err := s.Authenticate(t.Context(), own); err != nil {
		t.Error(err)
	}
	entered(t, s, "ann@example.com")

	// A provider that names nobody vouches for nobody: all would be one person.
	word.Subject = ""
	if _, _, err := s.SignInVouched(t.Context(), word, identity.Policy{}, identity.Browser{}); api.CodeOf(err) != api.PlatformErrorCodeAuthenticationRequired {
		t.Error(err)
	}
}

// TestInvitationsGoWithTheirMaker: an admin who is one no longer does not come back by a link they kept.
func TestInvitationsGoWithTheirMaker(t *testing.T) {
	s, _, _, key := newService(t)
	admin, err := s.Authenticate(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(uid string) error{
		"removed": func(uid string) error { return s.RemoveMember(t.Context(), admin, admin.TeamUID, uid) },
		"demoted": func(uid string) error {
			_, err := s.SetRole(t.Context(), admin, admin.TeamUID, uid, identity.RoleMember)
			return err
		},
		"disabled": func(uid string) error { _, err := s.SetDisabled(t.Context(), admin, uid, true); return err },
	} {
		u := invited(t, s, admin, name+"@example.com", identity.RoleAdmin)
		kept, _, err := s.Invite(t.Context(), entered(t, s, name+"@example.com"), admin.TeamUID, "back-"+name+"@example.com", identity.RoleAdmin, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := end(u.UID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Accept(t.Context(), kept, "Back", passphrase); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
			t.Errorf("%s: the invitation is answered %v", name, err)
		}
	}
}

// TestOperators: one makes another, and the last one stays.
func TestOperators(t *testing.T) {
	s, _, _, key := newService(t)
	admin, err := s.Authenticate(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetOperator(t.Context(), admin, admin.UID, false); api.CodeOf(err) != api.PlatformErrorCodeConflict {
		t.Fatalf("the last operator: %v", err)
	}
	u := invited(t, s, admin, "ann@example.com", identity.RoleMember)
	ann := entered(t, s, "ann@example.com")
	if _, err := s.SetOperator(t.Context(), ann, ann.UID, true); api.CodeOf(err) != api.PlatformErrorCodeNotAuthorized {
		t.Fatalf("makes herself one: %v", err)
	}
	if _, err := s.SetOperator(t.Context(), admin, u.UID, true); err != nil {
		t.Fatal(err)
	}
	ann = entered(t, s, "ann@example.com")
	if _, err := s.SetDisabled(t.Context(), ann, admin.UID, true); err != nil {
		t.Fatal(err)
	}
	// The other is one still, but cannot come in.
	if _, err := s.SetOperator(t.Context(), ann, ann.UID, false); api.CodeOf(err) != api.PlatformErrorCodeConflict {
		t.Errorf("the last operator who may come in: %v", err)
	}
}

func TestKeyIsGivenUp(t *testing.T) {
	s, _, _, key := newService(t)
	for range 2 {
		if err := s.GiveUpKey(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Authenticate(t.Context(), key); api.CodeOf(err) != api.PlatformErrorCodeAuthenticationRequired {
			t.Fatal(err)
		}
	}
	if err := s.GiveUpKey(t.Context(), identity.NewKey()); err != nil {
		t.Error(err)
	}
}
