package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Users lists everybody, oldest first.
func (s *Service) Users(ctx context.Context, actor Actor) ([]User, error) {
	if err := actor.Check(PermOperate); err != nil {
		return nil, err
	}
	return s.cfg.Store.Users(ctx)
}

// SetDisabled shuts somebody out, whose keys and sign-ins then open nothing, or lets them in again:
// their keys work again then, their sign-ins are gone. An operator does not shut out themselves.
func (s *Service) SetDisabled(ctx context.Context, actor Actor, uid string, disabled bool) (User, error) {
	if err := actor.Check(PermOperate); err != nil {
		return User{}, err
	}
	if uid == actor.UID && disabled {
		return User{}, api.Fail(api.PlatformErrorCodeOperationNotSupported, "nobody disables themselves")
	}
	act := ActEnableUser
	if disabled {
		act = ActDisableUser
	}
	return s.changeUser(ctx, actor, uid, act, func(u *User) error {
		switch {
		case !disabled:
			u.DisabledAt = time.Time{}
		case u.DisabledAt.IsZero():
			u.DisabledAt = s.now()
		}
		return nil
	})
}

// ErrLastOperator refuses to leave an installation without an operator who may come in.
var ErrLastOperator = &api.Failure{
	Code: api.PlatformErrorCodeConflict, Detail: "an installation keeps at least one operator: make somebody else one first", Retryable: new(bool),
}

// SetOperator lets somebody manage the people and teams of the installation, or no longer.
func (s *Service) SetOperator(ctx context.Context, actor Actor, uid string, operator bool) (User, error) {
	if err := actor.Check(PermOperate); err != nil {
		return User{}, err
	}
	act := ActMakeOperator
	if !operator {
		act = ActUnmakeOperator
	}
	return s.changeUser(ctx, actor, uid, act, func(u *User) error {
		if operator && !u.DisabledAt.IsZero() {
			return api.Fail(api.PlatformErrorCodeOperationNotSupported, "this account was disabled")
		}
		u.Operator = operator
		return nil
	})
}

// SetName changes what the actor is called.
func (s *Service) SetName(ctx context.Context, actor Actor, name string) (User, error) {
	if err := actor.Check(PermAccount); err != nil {
		return User{}, err
	}
	name, err := checkName("name", name)
	if err != nil {
		return User{}, err
	}
	return s.changeUser(ctx, actor, actor.UID, ActChangeProfile, func(u *User) error {
		u.Name = name
		return nil
	})
}

// SetPassword changes the actor's password, who must know the present one if there is one. All other
// sign-ins of theirs end.
func (s *Service) SetPassword(ctx context.Context, actor Actor, present, password string) error {
	if err := actor.Check(PermAccount); err != nil {
		return err
	}
	user, _, err := s.cfg.Store.User(ctx, actor.UID)
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	if user.Email == "" {
		return api.Fail(api.PlatformErrorCodeOperationNotSupported, "an account without an address has no password")
	}
	if user.Password != "" {
		// Counted by itself: guesses on the sign-in page keep nobody from changing a password.
		subject := "password of " + user.UID
		if err := s.attempt(ctx, limitAccount, subject); err != nil {
			return err
		}
		right, err := s.matches(ctx, user.Password, present)
		if err != nil {
			return fmt.Errorf("check password: %w", err)
		}
		if !right {
			return api.Invalid("present", "is not the present password")
		}
		s.succeeded(ctx, subject)
	}
	sealed, err := s.seal(ctx, password)
	if err != nil {
		return err
	}
	_, err = s.changeUser(ctx, actor, actor.UID, ActChangePassword, func(u *User) error {
		if u.Password != user.Password {
			return api.Fail(api.PlatformErrorCodeConflict, "the password was changed meanwhile")
		}
		u.Password = sealed
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := s.cfg.Store.EndSignIns(ctx, actor.UID, actor.SignInUID, true); err != nil {
		return fmt.Errorf("end other sign-ins: %w", err)
	}
	s.tell() // again: another server may have read them since the change
	return nil
}

func (s *Service) changeUser(ctx context.Context, actor Actor, uid string, act ActKind, change func(*User) error) (User, error) {
	var changed User
	err := s.cfg.Store.ChangeUser(ctx, uid, func(u *User) error {
		err := change(u)
		changed = *u
		return err
	})
	if err != nil {
		return User{}, fmt.Errorf("%s: %w", act, err)
	}
	s.did(actor, act, uid)
	return changed, nil
}
