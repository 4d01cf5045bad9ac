package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/cadrehq/cadre/api"
)

const (
	minPassword = 12  // characters
	maxPassword = 256 // bytes: hashing more is a way to keep a server busy

	// hashing bounds how many passwords are hashed at once: each takes argonMemory.
	hashing = 2
	// hashQueue bounds how many wait for their turn, about a second: more are sent away, so that a flood
	// of guesses piles up no requests.
	hashQueue = 64
)

// The cost of a guess: 19 MiB and two passes, some 30 ms.
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32
)

// argonHeader begins what is stored, in the form argon2's own tools write.
var argonHeader = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonTime, argonThreads)

// hasher hashes passwords, a few at a time.
type hasher struct {
	queue, slots chan struct{}
	// nobody is the hash of no password, compared with when there is no account: a guess at an address
	// nobody has takes as long as one at an address somebody has.
	nobody string
}

func newHasher() *hasher {
	salt := strings.Repeat("A", argonSalt)
	return &hasher{
		queue:  make(chan struct{}, hashing+hashQueue),
		slots:  make(chan struct{}, hashing),
		nobody: argonHeader + encoding.EncodeToString([]byte(salt)) + "$" + encoding.EncodeToString(make([]byte, argonKey)),
	}
}

// key derives a password's key, waiting for its turn unless too many do.
func (h *hasher) key(ctx context.Context, password string, salt []byte, time, memory uint32, threads uint8, size int) ([]byte, error) {
	select {
	case h.queue <- struct{}{}:
		defer func() { <-h.queue }()
	default:
		return nil, errBusy()
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, time, memory, threads, uint32(size)), nil
}

func errBusy() error { return tooMany(time.Second) }

// seal checks a new password and returns what is stored of it.
func (s *Service) seal(ctx context.Context, password string) (string, error) {
	switch {
	case !utf8.ValidString(password):
		return "", api.Invalid("password", "is not valid UTF-8")
	case utf8.RuneCountInString(password) < minPassword:
		return "", api.Invalid("password", "must be at least %d characters long", minPassword)
	case len(password) > maxPassword:
		return "", api.Invalid("password", "must be at most %d bytes long", maxPassword)
	case len(strings.Trim(password, password[:1])) == 0:
		return "", api.Invalid("password", "repeats one character")
	}
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // documented never to fail
	key, err := s.hasher.key(ctx, password, salt, argonTime, argonMemory, argonThreads, argonKey)
	if err != nil {
		return "", err
	}
	return argonHeader + encoding.EncodeToString(salt) + "$" + encoding.EncodeToString(key), nil
}

// matches compares a password with what is stored ("": nothing is, which matches none but takes as
// long).
func (s *Service) matches(ctx context.Context, stored, password string) (bool, error) {
	if len(password) > maxPassword {
		password = password[:maxPassword+1] // which nobody could have set
	}
	none := stored == ""
	if none {
		stored = s.hasher.nobody
	}
	var version int
	var memory, time uint32
	var threads uint8
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, fmt.Errorf("stored password has an unknown form")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &time, &threads); err != nil {
		return false, fmt.Errorf("stored password has an unknown form: %w", err)
	}
	salt, err := base64.RawURLEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("stored password has an unknown form: %w", err)
	}
	want, err := base64.RawURLEncoding.DecodeString(parts[5])
	if err != nil {
		return false, fmt.Errorf("stored password has an unknown form: %w", err)
	}
	got, err := s.hasher.key(ctx, password, salt, time, memory, threads, len(want))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && !none, nil
}
