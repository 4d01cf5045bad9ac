package identity

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/cadrehq/cadre/api"
)

// Bounds of what people are called, in characters and bytes.
const (
	maxName  = 100
	maxEmail = 254
)

// User is a person.
type User struct {
	UID       string
	Name      string
	Email     string // lower case; "" for one who can only be reached by key
	CreatedAt time.Time
	// DisabledAt is when they were shut out: their keys and sign-ins stay but open nothing.
	DisabledAt time.Time
	// Operator may manage the people and teams of the installation.
	Operator bool
	// Password is the argon2id hash of it, "" when there is none.
	Password string
}

// Profile is the person as shown to others.
func (u User) Profile() api.UserProfile {
	return api.UserProfile{Type: api.UserProfileTypeUser, Uid: u.UID, DisplayName: u.Name, Email: u.Email}
}

// Team is a group of people who share runs and configuration.
type Team struct {
	UID       string
	Name      string
	CreatedAt time.Time
}

// Membership is a person's place in a team, seen from the person.
type Membership struct {
	TeamUID  string
	TeamName string
	Role     Role
	// Source is the provider whose groups gave it; "" when a person did.
	Source string
}

// Member is the same seen from the team.
type Member struct {
	User      User
	Role      Role
	Source    string
	CreatedAt time.Time
}

// Invitation asks somebody into a team. What opens it is a secret shown once.
type Invitation struct {
	UID        string
	Hash       []byte // SHA-256 of the secret
	TeamUID    string
	TeamName   string // as read
	Email      string
	Role       Role
	CreatorUID string
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// CheckEmail returns an address in the one spelling it is stored in, or a failure naming the member.
// Whether anybody reads mail there is not its concern.
func CheckEmail(member, s string) (string, error) {
	s = strings.TrimSpace(s)
	// A letter of another script must not become one of ASCII: "İ" is lower-cased to "i", and whoever a
	// provider knows by the one address would be taken for the holder of the other.
	if strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII && unicode.ToLower(r) <= unicode.MaxASCII }) {
		return "", api.Invalid(member, "is not an e-mail address")
	}
	s = strings.ToLower(norm.NFC.String(s))
	local, domain, ok := strings.Cut(s, "@")
	switch {
	case s == "":
		return "", api.Invalid(member, "is required")
	case len(s) > maxEmail, !ok, local == "", domain == "", strings.ContainsAny(domain, "@"):
		return "", api.Invalid(member, "is not an e-mail address")
	}
	for _, r := range s {
		if r <= ' ' || r == 0x7f || strings.ContainsRune(`<>()[]\,;:"`, r) || r == utf8.RuneError {
			return "", api.Invalid(member, "is not an e-mail address")
		}
	}
	return s, nil
}

// checkName returns a name without surrounding spaces, or a failure naming the member.
func checkName(member, s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", api.Invalid(member, "is required")
	case !utf8.ValidString(s):
		return "", api.Invalid(member, "is not valid UTF-8")
	case utf8.RuneCountInString(s) > maxName:
		return "", api.Invalid(member, "must be at most %d characters long", maxName)
	}
	if strings.ContainsFunc(s, misleads) {
		return "", api.Invalid(member, "contains a control character")
	}
	return s, nil
}

// misleads reports whether a character does something to the text around it where it is shown: control
// characters, line breaks, and those that turn the direction of writing.
func misleads(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// checkRole returns a failure naming the member unless the role is one.
func checkRole(member string, r Role) error {
	for _, known := range AllRoles {
		if r == known {
			return nil
		}
	}
	return api.Invalid(member, "%.64q is not a role: admin, member or viewer", string(r))
}
