package identity

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
)

const (
	// linkLife is how long a one-time link works.
	linkLife = 15 * time.Minute
	// maxDevice bounds what is kept of how a browser or command line calls itself, in bytes.
	maxDevice = 200
)

// SignIn is a browser in which somebody is signed in.
type SignIn struct {
	UID       string
	Hash      []byte // SHA-256 of the secret in the cookie
	UserUID   string
	TeamUID   string // the team it works for
	Method    string // password, link, invitation, or a provider's name
	Device    string
	Address   string
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time
}

// ended reports whether a sign-in is too old or was left alone for too long.
func (s SignIn) ended(now time.Time, idle time.Duration) bool {
	return !now.Before(s.ExpiresAt) || now.Sub(s.SeenAt) >= idle
}

// Link signs somebody in once.
type Link struct {
	Hash       []byte // SHA-256 of the secret in it
	UserUID    string
	CreatorUID string // "" when it was made on the server's machine
	ExpiresAt  time.Time
}

// Browser is where a sign-in happens, as it shows itself.
type Browser struct{ Device, Address string }

// clean bounds what a stranger says of itself.
func (b Browser) clean() Browser {
	for _, s := range []*string{&b.Device, &b.Address} {
		*s = strings.Map(func(r rune) rune {
			if misleads(r) || r == utf8.RuneError {
				return -1
			}
			return r
		}, *s)
		if len(*s) > maxDevice {
			*s = strings.ToValidUTF8((*s)[:maxDevice], "")
		}
	}
	return b
}

// SignInByPassword signs in who knows an address and its password, and returns the cookie's secret.
// Whatever is wrong, it says the same and takes as long.
func (s *Service) SignInByPassword(ctx context.Context, email, password string, b Browser) (string, SignIn, error) {
	b = b.clean()
	spelled, err := CheckEmail("email", email)
	if err != nil {
		spelled = "" // nobody's
	}
	if err := s.guess(ctx, spelled, b); err != nil {
		return "", SignIn{}, err
	}
	user, err := s.cfg.Store.UserByEmail(ctx, spelled)
	if err != nil && !notFound(err) {
		return "", SignIn{}, fmt.Errorf("look up account: %w", err)
	}
	right, err := s.matches(ctx, user.Password, password)
	if err != nil {
		return "", SignIn{}, fmt.Errorf("check password: %w", err)
	}
	if !right || !user.DisabledAt.IsZero() {
		return "", SignIn{}, refused("the address or the password is wrong")
	}
	s.guessed(ctx, spelled, b)
	return s.SignIn(ctx, user, "password", b)
}

// SignIn signs somebody in who has proven who they are, and returns the cookie's secret.
func (s *Service) SignIn(ctx context.Context, user User, method string, b Browser) (string, SignIn, error) {
	u, teams, err := s.cfg.Store.User(ctx, user.UID)
	if err != nil {
		return "", SignIn{}, fmt.Errorf("sign in: %w", err)
	}
	if !u.DisabledAt.IsZero() {
		return "", SignIn{}, refused("this account was disabled")
	}
	secret, now, b := rand.Text()+rand.Text(), s.now(), b.clean()
	hash := hashOf(secret)
	in := SignIn{
		UID: s.cfg.NewID(), Hash: hash[:], UserUID: u.UID, Method: method, Device: b.Device, Address: b.Address,
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(s.cfg.SignInLife),
	}
	if len(teams) > 0 {
		in.TeamUID = teams[0].TeamUID
	}
	if err := s.cfg.Store.PutSignIn(ctx, in); err != nil {
		return "", SignIn{}, fmt.Errorf("sign in: %w", err)
	}
	s.did(Actor{UID: u.UID, TeamUID: in.TeamUID}, ActSignIn, in.UID, "method", method)
	return secret, in, nil
}

// SignIns lists where the actor is signed in, latest use first.
func (s *Service) SignIns(ctx context.Context, actor Actor) ([]SignIn, error) {
	if err := actor.Check(PermAccount); err != nil {
		return nil, err
	}
	all, err := s.cfg.Store.SignIns(ctx, actor.UID)
	if err != nil {
		return nil, fmt.Errorf("list sign-ins: %w", err)
	}
	live := all[:0]
	for _, in := range all {
		if !in.ended(s.cfg.Now(), s.cfg.SignInIdle) {
			live = append(live, in)
		}
	}
	return live, nil
}

// SignOut ends one of the actor's sign-ins, its own when uid is empty.
func (s *Service) SignOut(ctx context.Context, actor Actor, uid string) error {
	if uid == "" {
		uid = actor.SignInUID
	}
	if err := actor.Check(PermAccount); err != nil {
		return err
	}
	n, err := s.cfg.Store.EndSignIns(ctx, actor.UID, uid, false)
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	if n == 0 {
		return api.NotFound("sign-in", uid)
	}
	s.did(actor, ActSignOut, uid)
	return nil
}

// ChooseTeam changes the team that the actor's sign-in works for.
func (s *Service) ChooseTeam(ctx context.Context, actor Actor, teamUID string) error {
	if actor.SignInUID == "" {
		return api.Fail(api.PlatformErrorCodeOperationNotSupported, "only a browser keeps a choice; send the header X-Cadre-Team with a key")
	}
	if !actor.inTeam(teamUID) {
		return api.NotFound("team", teamUID)
	}
	if err := s.cfg.Store.ChooseTeam(ctx, actor.SignInUID, teamUID); err != nil {
		return fmt.Errorf("choose team: %w", err)
	}
	s.tell()
	return nil
}

// MintLink makes a link that signs a person in once, and returns its secret. Everybody may make one for
// themselves, an operator for everybody: who holds it is that person.
func (s *Service) MintLink(ctx context.Context, actor Actor, userUID string) (string, Link, error) {
	if err := actor.Check(PermAccount); err != nil {
		return "", Link{}, err
	}
	if userUID != actor.UID && !actor.May(PermOperate) {
		return "", Link{}, api.NotFound("user", userUID)
	}
	return s.mintLink(ctx, actor, userUID)
}

// MintLinkFor does it for who has an address (the first person when it is empty), on the word of whoever
// can open the database.
func (s *Service) MintLinkFor(ctx context.Context, email string) (string, Link, error) {
	if email == "" {
		users, err := s.cfg.Store.Users(ctx)
		if err != nil || len(users) == 0 {
			return "", Link{}, firstErr(err, api.NotFound("user", "first"))
		}
		return s.mintLink(ctx, Actor{}, users[0].UID)
	}
	spelled, err := CheckEmail("email", email)
	if err != nil {
		return "", Link{}, err
	}
	u, err := s.cfg.Store.UserByEmail(ctx, spelled)
	if err != nil {
		return "", Link{}, err
	}
	return s.mintLink(ctx, Actor{}, u.UID)
}

func firstErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (s *Service) mintLink(ctx context.Context, actor Actor, userUID string) (string, Link, error) {
	u, _, err := s.cfg.Store.User(ctx, userUID)
	if err != nil {
		return "", Link{}, err
	}
	if !u.DisabledAt.IsZero() {
		return "", Link{}, api.Fail(api.PlatformErrorCodeOperationNotSupported, "this account was disabled")
	}
	secret := rand.Text() + rand.Text()
	hash := hashOf(secret)
	l := Link{Hash: hash[:], UserUID: userUID, CreatorUID: actor.UID, ExpiresAt: s.now().Add(linkLife)}
	if err := s.cfg.Store.PutLink(ctx, l); err != nil {
		return "", Link{}, fmt.Errorf("mint sign-in link: %w", err)
	}
	s.did(actor, ActMintLink, userUID)
	return secret, l, nil
}

// SignInByLink signs in who holds a link, which is used up by it. Nobody guesses one, so tries are not
// counted: it is the way in for whom others' guesses at passwords keep out.
func (s *Service) SignInByLink(ctx context.Context, secret string, b Browser) (string, SignIn, error) {
	if !wellFormed(secret) {
		return "", SignIn{}, refused("the link does not work any more")
	}
	hash := hashOf(secret)
	l, err := s.cfg.Store.TakeLink(ctx, hash[:])
	if notFound(err) || err == nil && !s.cfg.Now().Before(l.ExpiresAt) {
		return "", SignIn{}, refused("the link does not work any more")
	}
	if err != nil {
		return "", SignIn{}, fmt.Errorf("use sign-in link: %w", err)
	}
	return s.SignIn(ctx, User{UID: l.UserUID}, "link", b)
}
