package secret

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/fault"
	"github.com/cadrehq/cadre/internal/identity"
)

const (
	// announceEvery is how often a server says which master keys it has, serverLife how long that counts.
	announceEvery = time.Minute
	serverLife    = 3 * time.Minute
	// rewrapBatch is how many data keys are sealed anew in one transaction.
	rewrapBatch = 100
)

// ServerKeys says which master keys a server has.
type ServerKeys struct {
	Instance string
	Keys     []string // sorted
	SeenAt   time.Time
}

// RotationStore is what a change of the master key needs of the database beside KeyStore.
type RotationStore interface {
	// SetPrimary makes a master key the one that new data keys are sealed by.
	SetPrimary(ctx context.Context, id string, at time.Time) error
	// Under returns data keys sealed by a master key, in the order of their owners, from after one on.
	Under(ctx context.Context, masterID string, after identity.Owner, limit int) ([]DataKey, error)
	// CountUnder is how many there are.
	CountUnder(ctx context.Context, masterID string) (int, error)
	// Rewrap replaces data keys in one transaction, each unless it is not sealed by from any more.
	Rewrap(ctx context.Context, from string, list []DataKey) error
	// Retire forgets a master key that is not the primary one and seals nothing; it reports whether it did.
	Retire(ctx context.Context, id string) (bool, error)
	// Announce keeps what a server has, Servers returns what was announced since.
	Announce(ctx context.Context, s ServerKeys) error
	Servers(ctx context.Context, since time.Time) ([]ServerKeys, error)
}

// MasterState is how a master key is used.
type MasterState struct {
	MasterUse
	DataKeys int // sealed by it
}

// RotationState is where a change of the master key stands. It is over when one key is left.
type RotationState struct {
	Masters []MasterState // the primary one first
	Servers []ServerKeys  // those alive, this one first
}

// Rotation returns where the change of the master key stands, to operators.
func (k *Keyring) Rotation(ctx context.Context, actor identity.Actor) (RotationState, error) {
	if err := actor.Check(identity.PermOperate); err != nil {
		return RotationState{}, err
	}
	return k.rotation(ctx)
}

func (k *Keyring) rotation(ctx context.Context) (RotationState, error) {
	uses, err := k.cfg.Store.Masters(ctx)
	if err != nil {
		return RotationState{}, err
	}
	var s RotationState
	for _, u := range uses {
		n, err := k.cfg.Rotation.CountUnder(ctx, u.ID)
		if err != nil {
			return RotationState{}, err
		}
		s.Masters = append(s.Masters, MasterState{u, n})
	}
	slices.SortFunc(s.Masters, func(a, b MasterState) int {
		if a.Primary != b.Primary {
			return map[bool]int{true: -1, false: 1}[a.Primary]
		}
		return b.Since.Compare(a.Since)
	})
	others, err := k.others(ctx)
	s.Servers = append([]ServerKeys{k.announcement()}, others...)
	return s, err
}

// others are the other servers alive.
func (k *Keyring) others(ctx context.Context) ([]ServerKeys, error) {
	list, err := k.cfg.Rotation.Servers(ctx, k.now().Add(-serverLife))
	return slices.DeleteFunc(list, func(s ServerKeys) bool { return s.Instance == k.cfg.Instance }), err
}

func (k *Keyring) announcement() ServerKeys {
	k.mu.Lock()
	defer k.mu.Unlock()
	return ServerKeys{Instance: k.cfg.Instance, Keys: slices.Sorted(maps.Keys(k.masters)), SeenAt: k.now()}
}

// Rotate makes another master key the primary one and begins to seal the data keys anew with it, which
// goes on by itself whatever dies meanwhile. id names a key that every server has; when it is empty a
// server that is alone and keeps its keys in a file makes one.
func (k *Keyring) Rotate(ctx context.Context, actor identity.Actor, id string) (RotationState, error) {
	if err := actor.Check(identity.PermOperate); err != nil {
		return RotationState{}, err
	}
	others, err := k.others(ctx)
	if err != nil {
		return RotationState{}, err
	}
	if id == "" {
		if id, err = k.addMaster(others); err != nil {
			return RotationState{}, err
		}
	}
	if _, err := k.master(id); err != nil {
		return RotationState{}, api.Invalid("key_id", "this server (%s) has no master key %.64q; it has %s", k.cfg.Instance, id, strings.Join(k.announcement().Keys, ", "))
	}
	for _, s := range others {
		if !slices.Contains(s.Keys, id) {
			return RotationState{}, api.Fail(api.PlatformErrorCodeConflict,
				"the server %s does not have the master key %s yet: add it to its CADRE_MASTER_KEY or key file, wait a minute, and try again", s.Instance, id)
		}
	}
	if err := k.cfg.Rotation.SetPrimary(ctx, id, k.now()); err != nil {
		return RotationState{}, err
	}
	k.cfg.Log.Info("rotate master key", "actor", actor.UID, "subject", id)
	k.kick()
	return k.rotation(ctx)
}

// addMaster makes a key and adds it to this server's file.
func (k *Keyring) addMaster(others []ServerKeys) (string, error) {
	const how = "make one with cadre secret new-master-key, add it to the keys of every server, and name it with --key"
	switch {
	case len(others) > 0:
		return "", api.Invalid("key_id", "%d other servers share this database and need the new key first: %s", len(others), how)
	case !k.filed():
		return "", api.Invalid("key_id", "this server has its keys from CADRE_MASTER_KEY, which it cannot change: %s", how)
	}
	old, err := readMasterFile(k.cfg.File)
	if err != nil {
		return "", fmt.Errorf("master key: %w", err)
	}
	fresh := NewMasterKey()
	id, err := MasterID(fresh)
	if err != nil {
		return "", err
	}
	// The key is on the disk before anything is sealed by it.
	text := fmt.Sprintf("%s\n# %s, added %s\n%s\n", strings.TrimRight(old, "\n"), id, k.now().Format(time.RFC3339), fresh)
	if err := writeMasterFile(k.cfg.File, text); err != nil {
		if os.IsPermission(err) {
			return "", api.Invalid("key_id", "this server may not write its key file: %s", how)
		}
		return "", err
	}
	k.reload()
	return id, nil
}

// filed reports whether the keys come from a file.
func (k *Keyring) filed() bool { return strings.TrimSpace(k.cfg.Keys) == "" && k.cfg.File != "" }

func (k *Keyring) kick() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run tells other servers which keys this one has, and seals anew what another master key seals than the
// primary one, until ctx ends. Several servers may do so at once.
func (k *Keyring) Run(ctx context.Context) error {
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		k.reload()
		if err := k.cfg.Rotation.Announce(ctx, k.announcement()); err != nil && ctx.Err() == nil {
			k.cfg.Log.Warn("announce master keys", "err", err)
		}
		if err := k.rewrapAll(ctx); err != nil && ctx.Err() == nil {
			k.cfg.Log.Warn("seal data keys anew", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
		case <-tick.C:
		}
	}
}

// rewrapAll seals every data key with the primary master key and retires the others.
func (k *Keyring) rewrapAll(ctx context.Context) error {
	uses, err := k.cfg.Store.Masters(ctx)
	if err != nil || len(uses) < 2 {
		return err
	}
	i := slices.IndexFunc(uses, func(u MasterUse) bool { return u.Primary })
	if i < 0 {
		return nil
	}
	for _, u := range uses {
		if u.Primary {
			continue
		}
		if err := k.rewrapFrom(ctx, u.ID, uses[i].ID); err != nil {
			return fmt.Errorf("from master key %s: %w", u.ID, err)
		}
		retired, err := k.cfg.Rotation.Retire(ctx, u.ID)
		if err != nil {
			return err
		}
		if retired {
			k.cfg.Log.Info("master key is not needed any more", "subject", u.ID, "primary", uses[i].ID)
		}
	}
	return nil
}

// rewrapFrom goes through the data keys sealed by a master key in steps that each stand by themselves: a
// server that dies between two has lost nothing, and goes on with what is left.
func (k *Keyring) rewrapFrom(ctx context.Context, from, to string) error {
	var after identity.Owner
	for {
		list, err := k.cfg.Rotation.Under(ctx, from, after, rewrapBatch)
		if err != nil || len(list) == 0 {
			return err
		}
		after = list[len(list)-1].Owner
		fresh := make([]DataKey, 0, len(list))
		for _, d := range list {
			handle, err := k.unwrap(d)
			if err == nil {
				d, err = k.wrap(handle, d.Owner, to)
			}
			if err != nil { // the others are not to wait for it; it keeps its master key from being retired
				k.cfg.Log.Error("seal data key anew", "owner", d.Owner.UID, "err", err)
				continue
			}
			fresh = append(fresh, d)
		}
		fault.Here(fault.SecretBeforeRewrap)
		if err := k.cfg.Rotation.Rewrap(ctx, from, fresh); err != nil {
			return err
		}
		fault.Here(fault.SecretAfterRewrap)
	}
}
