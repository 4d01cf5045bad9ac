package secret_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/secret"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

var (
	team     = identity.Owner{Type: api.ScopeTypeTeam, UID: "team"}
	person   = identity.Owner{Type: api.ScopeTypeUser, UID: "team"} // the same uid, another kind of owner
	operator = identity.Actor{Kind: identity.KindUser, UID: "op", Operator: true}
)

func openStore(t *testing.T) store.Keyring {
	return store.NewKeyring(storetest.Open(t, store.Options{DSN: filepath.Join(t.TempDir(), "cadre.db")}))
}

func ring(t *testing.T, s store.Keyring, edit func(*secret.KeyringConfig)) (*secret.Keyring, error) {
	t.Helper()
	cfg := secret.KeyringConfig{Store: s, Rotation: s, Instance: t.Name()}
	edit(&cfg)
	return secret.NewKeyring(t.Context(), cfg)
}

func mustRing(t *testing.T, s store.Keyring, edit func(*secret.KeyringConfig)) *secret.Keyring {
	t.Helper()
	k, err := ring(t, s, edit)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func withKeys(keys ...string) func(*secret.KeyringConfig) {
	return func(c *secret.KeyringConfig) { c.Keys = strings.Join(keys, ",") }
}

func withFile(path string) func(*secret.KeyringConfig) {
	return func(c *secret.KeyringConfig) { c.File = path }
}

// TestSealedOpensOnlyThere: what is sealed is unreadable, differs each time, and opens for its owner and
// name only.
func TestSealedOpensOnlyThere(t *testing.T) {
	t.Parallel()
	k := mustRing(t, openStore(t), withKeys(secret.NewMasterKey()))
	ctx := t.Context()
	plain := []byte("canary-value")
	one, err := k.Seal(ctx, team, "NAME", plain)
	if err != nil {
		t.Fatal(err)
	}
	two, err := k.Seal(ctx, team, "NAME", plain)
	if err != nil || bytes.Equal(one, two) || bytes.Contains(one, plain) {
		t.Fatalf("sealed %q and %q: %v", one, two, err)
	}
	if _, err := k.Seal(ctx, person, "NAME", plain); err != nil { // so that it has a key
		t.Fatal(err)
	}
	got, err := k.Open(ctx, team, "NAME", one)
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("opened %q: %v", got, err)
	}
	broken := bytes.Clone(one)
	broken[len(broken)-1] ^= 1
	for what, err := range map[string]error{
		"another name":   opened(k.Open(ctx, team, "NAME2", one)),
		"another owner":  opened(k.Open(ctx, person, "NAME", one)),
		"changed":        opened(k.Open(ctx, team, "NAME", broken)),
		"empty":          opened(k.Open(ctx, team, "NAME", nil)),
		"owner of none":  opened(k.Open(ctx, identity.Owner{Type: api.ScopeTypeUser, UID: "nobody"}, "NAME", one)),
		"the server's":   opened(k.Open(ctx, secret.Installation, "NAME", one)),
		"cut in the end": opened(k.Open(ctx, team, "NAME", one[:len(one)-1])),
	} {
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func opened(_ []byte, err error) error { return err }

// TestMasterKeyFile: the first start makes the file for its owner only, the second reads it, and without it
// the server is refused rather than given a new one.
func TestMasterKeyFile(t *testing.T) {
	t.Parallel()
	s, path := openStore(t), filepath.Join(t.TempDir(), "master.key")
	sealed, err := mustRing(t, s, withFile(path)).Seal(t.Context(), team, "N", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("file %v: %v", info, err)
	}
	if got, err := mustRing(t, s, withFile(path)).Open(t.Context(), team, "N", sealed); err != nil || string(got) != "v" {
		t.Fatalf("after a restart %q: %v", got, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	if _, err := ring(t, s, withFile(path)); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by all: %v", err)
	}
	for what, edit := range map[string]func(*secret.KeyringConfig){
		"another key": withKeys(secret.NewMasterKey()),
		"no file":     withFile(filepath.Join(t.TempDir(), "master.key")),
		"nothing":     func(*secret.KeyringConfig) {},
	} {
		_, err := ring(t, s, edit)
		if err == nil || !strings.Contains(err.Error(), "CADRE_MASTER_KEY") || !strings.Contains(err.Error(), "docs/secrets.md") {
			t.Errorf("%s: %v", what, err)
		}
	}
	// What the file held serves from the environment as well.
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	mustRing(t, s, withKeys(lines[len(lines)-1]))
}

func TestMasterKeysRefused(t *testing.T) {
	t.Parallel()
	for what, keys := range map[string]string{
		"short":    "c2hvcnQ=",
		"no text":  "%%%%",
		"one of 2": secret.NewMasterKey() + " x",
	} {
		_, err := ring(t, openStore(t), withKeys(keys))
		if err == nil || !strings.Contains(err.Error(), "openssl rand -base64 32") || strings.Contains(err.Error(), keys) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := ring(t, openStore(t), func(*secret.KeyringConfig) {}); err == nil {
		t.Error("started without any key")
	}
}

// TestRotateAlone: a server with a file makes its next key by itself; everything opens before, during and
// after, and in the end with the new key alone.
func TestRotateAlone(t *testing.T) {
	t.Parallel()
	s, path := openStore(t), filepath.Join(t.TempDir(), "master.key")
	k := mustRing(t, s, withFile(path))
	sealed := map[identity.Owner][]byte{team: nil, person: nil, secret.Installation: nil}
	for o := range sealed {
		var err error
		if sealed[o], err = k.Seal(t.Context(), o, "N", []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.Rotate(t.Context(), identity.Actor{Kind: identity.KindUser, UID: "u", TeamUID: "team", Role: identity.RoleAdmin}, ""); api.CodeOf(err) != api.PlatformErrorCodeNotAuthorized {
		t.Fatalf("rotation by an admin: %v", err)
	}
	before, err := k.Rotate(t.Context(), operator, "")
	if err != nil || len(before.Masters) != 2 || before.Masters[1].DataKeys != 3 {
		t.Fatalf("state %+v: %v", before, err)
	}
	finish(t, k)
	after, err := k.Rotation(t.Context(), operator)
	if err != nil || len(after.Masters) != 1 || after.Masters[0].ID != before.Masters[0].ID || after.Masters[0].DataKeys != 3 {
		t.Fatalf("state %+v: %v", after, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	alone := mustRing(t, s, withKeys(lines[len(lines)-1]))
	for o, b := range sealed {
		if got, err := alone.Open(t.Context(), o, "N", b); err != nil || string(got) != "v" {
			t.Errorf("%v: %q, %v", o, got, err)
		}
	}
}

// finish lets a keyring run until one master key is left.
func finish(t *testing.T, k *secret.Keyring) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	over := make(chan error, 1)
	go func() { over <- k.Run(ctx) }()
	for {
		state, err := k.Rotation(ctx, operator)
		if err != nil {
			t.Fatal(err)
		}
		if len(state.Masters) == 1 {
			stop()
			if err := <-over; err != nil {
				t.Error(err)
			}
			return
		}
	}
}

// TestRotateReplicas: the new key must be with every server before it is used.
func TestRotateReplicas(t *testing.T) {
	t.Parallel()
	s := openStore(t)
	old, fresh := secret.NewMasterKey(), secret.NewMasterKey()
	id, err := secret.MasterID(fresh)
	if err != nil {
		t.Fatal(err)
	}
	named := func(name string, keys ...string) *secret.Keyring {
		return mustRing(t, s, func(c *secret.KeyringConfig) { withKeys(keys...)(c); c.Instance = name })
	}
	behind, here := named("behind", old), named("here", old, fresh)
	sealed, err := behind.Seal(t.Context(), team, "N", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	announce(t, s, behind, 1)
	if _, err := here.Rotate(t.Context(), operator, ""); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
		t.Errorf("no key named: %v", err)
	}
	if _, err := here.Rotate(t.Context(), operator, "unknown"); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
		t.Errorf("a key nobody has: %v", err)
	}
	if _, err := here.Rotate(t.Context(), operator, id); api.CodeOf(err) != api.PlatformErrorCodeConflict || !strings.Contains(err.Error(), "behind") {
		t.Errorf("a server without the key: %v", err)
	}
	announce(t, s, named("behind", old, fresh), 2)
	if _, err := here.Rotate(t.Context(), operator, id); err != nil {
		t.Fatal(err)
	}
	finish(t, here)
	if got, err := named("new", fresh).Open(t.Context(), team, "N", sealed); err != nil || string(got) != "v" {
		t.Errorf("with the new key alone: %q, %v", got, err)
	}
	if _, err := ring(t, s, withKeys(old)); err == nil || !strings.Contains(err.Error(), id) {
		t.Errorf("with the old key alone: %v", err)
	}
}

// announce runs a keyring until the other servers can know which keys it has.
func announce(t *testing.T, s store.Keyring, k *secret.Keyring, want int) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	go func() { _ = k.Run(ctx) }()
	for {
		list, err := s.Servers(ctx, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range list {
			if len(one.Keys) == want {
				return
			}
		}
	}
}
