package identity

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	// invitationLife is how long an invitation is open unless asked otherwise, maxInvitationLife at most.
	invitationLife    = 7 * 24 * time.Hour
	maxInvitationLife = 90 * 24 * time.Hour
)

// Invite asks somebody into a team and returns the secret that opens the invitation, for the one time
// it can be shown. A zero life takes a week.
func (s *Service) Invite(ctx context.Context, actor Actor, teamUID, email string, role Role, life time.Duration) (string, Invitation, error) {
	if err := actor.reach(teamUID, PermAdminister); err != nil {
		return "", Invitation{}, err
	}
	if err := actor.Check(PermAccount); err != nil {
		return "", Invitation{}, err
	}
	email, err := CheckEmail("email", email)
	if err != nil {
		return "", Invitation{}, err
	}
	if role == "" {
		role = RoleMember
	}
	if err := checkRole("role", role); err != nil {
		return "", Invitation{}, err
	}
	if life == 0 {
		life = invitationLife
	}
	if life < time.Minute || life > maxInvitationLife {
		return "", Invitation{}, api.Invalid("expires_at", "must be from a minute to 90 days from now")
	}
	team, err := s.cfg.Store.Team(ctx, teamUID)
	if err != nil {
		return "", Invitation{}, err
	}
	secret, now := rand.Text(), s.now()
	hash := hashOf(secret)
	i := Invitation{
		UID: s.cfg.NewID(), Hash: hash[:], TeamUID: teamUID, TeamName: team.Name, Email: email, Role: role,
		CreatorUID: actor.UID, CreatedAt: now, ExpiresAt: now.Add(life),
	}
	if err := s.cfg.Store.PutInvitation(ctx, i); err != nil {
		return "", Invitation{}, fmt.Errorf("invite: %w", err)
	}
	s.did(actor, ActInvite, i.UID, "role", role)
	return secret, i, nil
}

// Invitations lists a team's open invitations, newest first.
func (s *Service) Invitations(ctx context.Context, actor Actor, teamUID string) ([]Invitation, error) {
	if err := actor.reach(teamUID, PermAdminister); err != nil {
		return nil, err
	}
	return s.cfg.Store.Invitations(ctx, teamUID)
}

// RevokeInvitation withdraws an invitation.
func (s *Service) RevokeInvitation(ctx context.Context, actor Actor, teamUID, uid string) error {
	if err := actor.reach(teamUID, PermAdminister); err != nil {
		return err
	}
	if err := s.cfg.Store.DeleteInvitation(ctx, teamUID, uid); err != nil {
		return fmt.Errorf("revoke invitation: %w", err)
	}
	s.did(actor, ActRevokeInvitation, uid)
	return nil
}

// Invitation returns what a secret opens, and whether its address belongs to somebody already.
// Whatever is unknown, used or too old is not found.
func (s *Service) Invitation(ctx context.Context, secret string) (i Invitation, known bool, err error) {
	if !wellFormed(secret) {
		return Invitation{}, false, errInvitation()
	}
	hash := hashOf(secret)
	i, err = s.cfg.Store.InvitationByHash(ctx, hash[:])
	if notFound(err) || err == nil && !s.cfg.Now().Before(i.ExpiresAt) {
		return Invitation{}, false, errInvitation()
	}
	if err != nil {
		return Invitation{}, false, fmt.Errorf("look up invitation: %w", err)
	}
	_, err = s.cfg.Store.UserByEmail(ctx, i.Email)
	if err != nil && !notFound(err) {
		return Invitation{}, false, fmt.Errorf("look up invitation: %w", err)
	}
	return i, err == nil, nil
}

// Accept makes an account for whom an invitation is addressed to, and a member of it. Who has an account
// joins with it: see Join.
func (s *Service) Accept(ctx context.Context, secret, name, password string) (User, error) {
	name, err := checkName("name", name)
	if err != nil {
		return User{}, err
	}
	if _, known, err := s.Invitation(ctx, secret); err != nil || known {
		if err == nil {
			err = errHasAccount()
		}
		return User{}, err
	}
	sealed, err := s.seal(ctx, password)
	if err != nil {
		return User{}, err
	}
	fresh := User{UID: s.cfg.NewID(), Name: name, Password: sealed, CreatedAt: s.now()}
	return s.accept(ctx, secret, func(i Invitation, holder *User) (User, error) {
		if holder != nil {
			return User{}, errHasAccount()
		}
		fresh.Email = i.Email
		return fresh, nil
	})
}

// Join accepts an invitation as somebody who has an account, which must have the address it is for.
func (s *Service) Join(ctx context.Context, actor Actor, secret string) error {
	if err := actor.Check(PermAccount); err != nil {
		return err
	}
	_, err := s.accept(ctx, secret, func(i Invitation, holder *User) (User, error) {
		if holder == nil || holder.UID != actor.UID {
			return User{}, api.Fail(api.PlatformErrorCodeNotAuthorized, "the invitation is for %s, you are signed in as %s", i.Email, actor.Email)
		}
		return *holder, nil
	})
	return err
}

func (s *Service) accept(ctx context.Context, secret string, decide func(Invitation, *User) (User, error)) (User, error) {
	var who User
	var into string
	if !wellFormed(secret) {
		return User{}, errInvitation()
	}
	hash := hashOf(secret)
	err := s.cfg.Store.AcceptInvitation(ctx, hash[:], func(i Invitation, holder *User) (User, error) {
		if !s.cfg.Now().Before(i.ExpiresAt) {
			return User{}, errInvitation()
		}
		if holder != nil && !holder.DisabledAt.IsZero() {
			return User{}, api.Fail(api.PlatformErrorCodeNotAuthorized, "this account was disabled")
		}
		u, err := decide(i, holder)
		who, into = u, i.TeamUID
		return u, err
	})
	if notFound(err) {
		return User{}, errInvitation()
	}
	if err != nil {
		return User{}, fmt.Errorf("accept invitation: %w", err)
	}
	s.did(Actor{UID: who.UID, TeamUID: into}, ActAccept, who.UID)
	return who, nil
}

func errInvitation() error {
	return api.Fail(api.PlatformErrorCodeResourceNotFound, "the invitation does not exist, was used, or is too old")
}

func errHasAccount() error {
	f := api.Fail(api.PlatformErrorCodeConflict, "this address has an account: sign in to accept")
	f.Retryable = new(bool)
	return f
}
