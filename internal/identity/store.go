package identity

import (
	"context"
	"time"
)

// Store keeps people, teams, keys, and what they sign in with. Every method that changes something is
// one transaction. A decide function is pure but for what it captures, is called with the rows locked,
// and may be called more than once, of which the last call counts; its error undoes everything and is
// returned unchanged. What is not there is resource_not_found, unless said otherwise.
type Store interface {
	KeyStore
	PeopleStore
	SignInStore
	InvitationStore
	DeviceStore
	// Attempt counts something guessable: it hands decide what is known of the subject (zero when
	// nothing is) and keeps what it returns.
	Attempt(ctx context.Context, subject string, decide func(Attempts) (Attempts, error)) error
	// ForgetAttempts drops a subject's count.
	ForgetAttempts(ctx context.Context, subject string) error
	// Prune deletes what ended before now: sign-ins, links, invitations and device grants that expired,
	// and counts that nobody added to since idle.
	Prune(ctx context.Context, now, idle time.Time) error
	// Secret returns the named server secret (the key run tokens and links are signed with),
	// storing candidate when there is none yet, so that every replica uses the same one.
	Secret(ctx context.Context, name string, candidate []byte) ([]byte, error)
}

// KeyStore keeps API keys.
type KeyStore interface {
	// KeyByHash returns the key with the given hash, revoked and expired ones too.
	KeyByHash(ctx context.Context, hash []byte) (Key, error)
	// Keys lists keys that are not revoked, newest first: those that act as the user, and those that
	// act as the team or its agents.
	Keys(ctx context.Context, userUID, teamUID string) ([]Key, error)
	// PutKey stores a key, replacing one with the same uid.
	PutKey(ctx context.Context, k Key) error
	// ChangeKey changes name and end of a key.
	ChangeKey(ctx context.Context, uid string, decide func(*Key) error) error
	// Touch notes when keys and sign-ins were last used, by uid. It is called in batches, off the
	// request path.
	Touch(ctx context.Context, lastUsed map[string]time.Time) error
}

// PeopleStore keeps users, teams and who is in which.
type PeopleStore interface {
	// Bootstrap creates the first team, its admin and the admin's key, unless any user exists.
	Bootstrap(ctx context.Context, t Team, u User, k Key) (created bool, err error)
	// User returns a person with their teams, oldest membership first.
	User(ctx context.Context, uid string) (User, []Membership, error)
	// UserByEmail finds a person by the stored spelling of their address.
	UserByEmail(ctx context.Context, email string) (User, error)
	// Users lists everybody, oldest first.
	Users(ctx context.Context) ([]User, error)
	// ChangeUser changes what is about a person. If decide disables them, their sign-ins end, with the links
	// and invitations they made. It is ErrLastOperator if nobody who operates the installation is left.
	ChangeUser(ctx context.Context, uid string, decide func(*User) error) error
	Team(ctx context.Context, uid string) (Team, error)
	// Teams lists all teams, oldest first.
	Teams(ctx context.Context) ([]Team, error)
	// CreateTeam stores a team with its first admin.
	CreateTeam(ctx context.Context, t Team, adminUID string) error
	ChangeTeam(ctx context.Context, uid string, decide func(*Team) error) error
	// Members lists a team's members, oldest first.
	Members(ctx context.Context, teamUID string) ([]Member, error)
	// ChangeMembers changes who is in a team. Whoever is removed loses, with it, their keys and
	// sign-ins for that team. Whoever is put as no admin, or removed, loses the invitations they made.
	ChangeMembers(ctx context.Context, teamUID string, decide func([]Member) (MemberChange, error)) error
	// Federate finds or makes the person a provider vouches for: see FederatedPerson.
	Federate(ctx context.Context, provider, subject, email string, decide func(*FederatedPerson) (User, error)) error
}

// MemberChange is what is to become of a team's members: Put are members new or changed, by user uid.
type MemberChange struct {
	Put    []Member
	Remove []string // user uids
}

// SignInStore keeps who is signed in where, and links that sign in once.
type SignInStore interface {
	PutSignIn(ctx context.Context, s SignIn) error
	SignInByHash(ctx context.Context, hash []byte) (SignIn, error)
	// SignIns lists a person's, latest use first.
	SignIns(ctx context.Context, userUID string) ([]SignIn, error)
	// ChooseTeam changes the team a sign-in works for.
	ChooseTeam(ctx context.Context, uid, teamUID string) error
	// EndSignIns ends a person's sign-ins: the one with this uid, or all but it.
	EndSignIns(ctx context.Context, userUID, uid string, others bool) (ended int, err error)
	PutLink(ctx context.Context, l Link) error
	// TakeLink returns a link and deletes it, so that it works once.
	TakeLink(ctx context.Context, hash []byte) (Link, error)
}

// InvitationStore keeps open invitations.
type InvitationStore interface {
	PutInvitation(ctx context.Context, i Invitation) error
	InvitationByHash(ctx context.Context, hash []byte) (Invitation, error)
	// Invitations lists a team's, newest first.
	Invitations(ctx context.Context, teamUID string) ([]Invitation, error)
	// DeleteInvitation deletes one of a team.
	DeleteInvitation(ctx context.Context, teamUID, uid string) error
	// AcceptInvitation deletes an invitation and makes whoever decide names a member. The decision sees
	// who has its address already (nil: nobody). A person it returns with another uid is made.
	AcceptInvitation(ctx context.Context, hash []byte, decide func(Invitation, *User) (User, error)) error
}

// DeviceStore keeps command lines that wait for approval.
type DeviceStore interface {
	PutDevice(ctx context.Context, d Device) error
	DeviceByCode(ctx context.Context, code string) (Device, error)
	// DecideDevice stores what a person decided about the device with this code.
	DecideDevice(ctx context.Context, code string, decide func(*Device) error) error
	// PollDevice stores what a device's poll changed. If decide returns a key, the key is stored and the
	// device is gone; if it returns done, the device is gone.
	PollDevice(ctx context.Context, hash []byte, decide func(*Device) (k *Key, done bool, err error)) error
}
