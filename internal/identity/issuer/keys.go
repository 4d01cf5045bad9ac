package issuer

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// period is how long a key signs, lead how long it is published before, which must be longer than
	// anybody keeps the set of keys (keysAge).
	period = 30 * 24 * time.Hour
	lead   = 24 * time.Hour
	// linger is how long a key stays published after the next one signs: its last token lives MaxLife, and
	// servers' and relying parties' clocks differ a little.
	linger = MaxLife + time.Hour
	// keysAge is how long others may keep the set of keys.
	keysAge = 15 * time.Minute
)

// Key is a signing key as stored. Which keys sign and are published when follows from their order.
type Key struct {
	// Generation counts keys from 1, without gaps.
	Generation int64
	ID         string // the "kid" of its tokens
	Public     []byte // JWK
	Sealed     []byte // private key, PKCS #8, sealed under its ID
	SignsFrom  time.Time
	CreatedAt  time.Time
}

// Store keeps keys.
type Store interface {
	// Keys returns all of them, the oldest first.
	Keys(ctx context.Context) ([]Key, error)
	// AddKey stores a key unless there is one of its generation already: ErrTaken.
	AddKey(ctx context.Context, k Key) error
	// DropKeys forgets all of a smaller generation.
	DropKeys(ctx context.Context, before int64) error
}

// ErrTaken refuses a key whose generation another server has made.
var ErrTaken = errors.New("a key of this generation exists")

// Sealer seals what belongs to the installation: a keyring.
type Sealer interface {
	Seal(ctx context.Context, name string, plain []byte) ([]byte, error)
	Open(ctx context.Context, name string, sealed []byte) ([]byte, error)
}

// signing returns the key that signs at a time: the latest whose time has come, or the first of all for
// a clock that is behind.
func signing(keys []Key, now time.Time) Key {
	current := keys[0]
	for _, k := range keys[1:] {
		if !k.SignsFrom.After(now) {
			current = k
		}
	}
	return current
}

// due says what rotation has to do: whether a key is to be made, from when it signs, and before which
// generation keys may be forgotten.
func due(keys []Key, now time.Time) (missing bool, signsFrom time.Time, forget int64) {
	if len(keys) == 0 {
		return true, now, 0
	}
	for i, k := range keys[:len(keys)-1] {
		if next := keys[i+1]; !now.Before(next.SignsFrom.Add(linger)) {
			forget = k.Generation + 1
		}
	}
	last := keys[len(keys)-1]
	if now.Before(last.SignsFrom.Add(period - lead)) {
		return false, time.Time{}, forget
	}
	return true, now.Add(lead), forget
}

// generate makes a key, sealed.
func generate(ctx context.Context, sealer Sealer, generation int64, now, signsFrom time.Time) (Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("make signing key: %w", err)
	}
	public := jose.JSONWebKey{Key: private.Public(), Algorithm: string(jose.ES256), Use: "sig"}
	print, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return Key{}, fmt.Errorf("name signing key: %w", err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(print)
	k := Key{Generation: generation, ID: public.KeyID, SignsFrom: signsFrom, CreatedAt: now}
	if k.Public, err = public.MarshalJSON(); err != nil {
		return Key{}, fmt.Errorf("encode public key: %w", err)
	}
	plain, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Key{}, fmt.Errorf("encode signing key: %w", err)
	}
	if k.Sealed, err = sealer.Seal(ctx, sealedName(k.ID), plain); err != nil {
		return Key{}, fmt.Errorf("seal signing key: %w", err)
	}
	return k, nil
}

// sealedName is what a private key is sealed under, so that it opens as itself only.
func sealedName(id string) string { return "issuer key " + id }

// open opens a key's private half.
func open(ctx context.Context, sealer Sealer, k Key) (jose.Signer, error) {
	plain, err := sealer.Open(ctx, sealedName(k.ID), k.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open signing key: %w", err)
	}
	private, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	s, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: private, KeyID: k.ID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("use signing key: %w", err)
	}
	return s, nil
}

// keySet is the JWK set of keys.
func keySet(keys []Key) ([]byte, error) {
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public)
	}
	return json.Marshal(set)
}
