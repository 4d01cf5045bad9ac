package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/secret"
)

// Keyring keeps data keys, sealed: secret.KeyStore and secret.RotationStore.
type Keyring struct{ db *DB }

// NewKeyring keeps data keys in db.
func NewKeyring(db *DB) Keyring { return Keyring{db} }

var (
	_ secret.KeyStore      = Keyring{}
	_ secret.RotationStore = Keyring{}
)

const (
	// keyringOrder orders the operations below within a server; between servers lockNames does.
	keyringOrder = "keyring"

	selectMasters  = "SELECT id, is_primary, since FROM master_keys"
	selectDataKeys = "SELECT owner_type, owner_uid, master_id, sealed FROM data_keys WHERE "

	// serversKept is how long what a server said is kept.
	serversKept = 24 * time.Hour
)

func scanMaster(row scanner) (u secret.MasterUse, err error) {
	var primary, since int64
	err = row.Scan(&u.ID, &primary, &since)
	u.Primary, u.Since = primary != 0, fromMicros(since)
	return u, err
}

func scanDataKey(row scanner) (k secret.DataKey, err error) {
	var sealed string
	if err = row.Scan(&k.Owner.Type, &k.Owner.UID, &k.MasterID, &sealed); err != nil {
		return k, err
	}
	k.Sealed, err = base64.StdEncoding.DecodeString(sealed)
	return k, err
}

// Masters returns the master keys something may be sealed by.
func (s Keyring) Masters(ctx context.Context) ([]secret.MasterUse, error) {
	list, err := all(scanMaster)(s.db.query(ctx, selectMasters))
	return list, public("read master keys", err)
}

// ClaimMaster makes a master key the primary one if there is none.
func (s Keyring) ClaimMaster(ctx context.Context, id string, at time.Time) ([]secret.MasterUse, error) {
	var list []secret.MasterUse
	err := s.db.Write(ctx, keyringOrder, func(tx *Tx) error {
		if err := tx.lockNames(); err != nil {
			return err
		}
		var err error
		if list, err = all(scanMaster)(tx.Query(selectMasters)); err != nil || len(list) > 0 {
			return err
		}
		list = []secret.MasterUse{{ID: id, Primary: true, Since: at}}
		return tx.Send("INSERT INTO master_keys (id, is_primary, since) VALUES ($1, 1, $2)", id, micros(at))
	})
	return list, err
}

// DataKey returns an owner's data key.
func (s Keyring) DataKey(ctx context.Context, o identity.Owner) (secret.DataKey, error) {
	k, err := one(scanDataKey)(s.db.query(ctx, selectDataKeys+"owner_type = $1 AND owner_uid = $2", string(o.Type), o.UID))
	if errors.Is(err, sql.ErrNoRows) {
		return k, api.NotFound("data key", o.UID)
	}
	return k, public("read data key", err)
}

// AddDataKey stores an owner's first data key and returns the one there is then.
func (s Keyring) AddDataKey(ctx context.Context, k secret.DataKey) (secret.DataKey, error) {
	var stored secret.DataKey
	err := s.db.Write(ctx, keyringOrder, func(tx *Tx) error {
		// The lock keeps the primary master key what it is: SetPrimary and Retire take it too.
		if err := tx.lockNames(); err != nil {
			return err
		}
		primary, err := one(value[string])(tx.Query("SELECT id FROM master_keys WHERE is_primary = 1"))
		if err != nil {
			return err
		}
		if primary != k.MasterID {
			return secret.ErrMoved
		}
		if _, err := tx.Exec(`INSERT INTO data_keys (owner_type, owner_uid, master_id, sealed) VALUES ($1, $2, $3, $4)
			ON CONFLICT (owner_type, owner_uid) DO NOTHING`,
			string(k.Owner.Type), k.Owner.UID, k.MasterID, base64.StdEncoding.EncodeToString(k.Sealed)); err != nil {
			return err
		}
		stored, err = one(scanDataKey)(tx.Query(selectDataKeys+"owner_type = $1 AND owner_uid = $2", string(k.Owner.Type), k.Owner.UID))
		return err
	})
	return stored, err
}

// SetPrimary makes a master key the one that new data keys are sealed by.
func (s Keyring) SetPrimary(ctx context.Context, id string, at time.Time) error {
	return s.db.Write(ctx, keyringOrder, func(tx *Tx) error {
		if err := tx.lockNames(); err != nil {
			return err
		}
		if err := tx.Send("UPDATE master_keys SET is_primary = 0 WHERE id <> $1", id); err != nil {
			return err
		}
		return tx.Send(`INSERT INTO master_keys (id, is_primary, since) VALUES ($1, 1, $2)
			ON CONFLICT (id) DO UPDATE SET is_primary = 1`, id, micros(at))
	})
}

// Under returns data keys sealed by a master key, from after an owner on.
func (s Keyring) Under(ctx context.Context, masterID string, after identity.Owner, limit int) ([]secret.DataKey, error) {
	list, err := all(scanDataKey)(s.db.query(ctx, selectDataKeys+`master_id = $1 AND (owner_type, owner_uid) > ($2, $3)
		ORDER BY owner_type, owner_uid LIMIT $4`, masterID, string(after.Type), after.UID, limit))
	return list, public("read data keys", err)
}

// CountUnder is how many data keys a master key seals.
func (s Keyring) CountUnder(ctx context.Context, masterID string) (int, error) {
	n, err := one(value[int])(s.db.query(ctx, "SELECT count(*) FROM data_keys WHERE master_id = $1", masterID))
	return n, public("count data keys", err)
}

// Rewrap replaces data keys that one master key seals.
func (s Keyring) Rewrap(ctx context.Context, from string, list []secret.DataKey) error {
	return s.db.Write(ctx, keyringOrder, func(tx *Tx) error {
		for _, k := range list {
			if err := tx.Send(`UPDATE data_keys SET master_id = $1, sealed = $2
				WHERE owner_type = $3 AND owner_uid = $4 AND master_id = $5`,
				k.MasterID, base64.StdEncoding.EncodeToString(k.Sealed), string(k.Owner.Type), k.Owner.UID, from); err != nil {
				return err
			}
		}
		return nil
	})
}

// Retire forgets a master key that is not the primary one and seals nothing.
func (s Keyring) Retire(ctx context.Context, id string) (bool, error) {
	var n int64
	err := s.db.Write(ctx, keyringOrder, func(tx *Tx) error {
		if err := tx.lockNames(); err != nil {
			return err
		}
		var err error
		n, err = tx.Exec(`DELETE FROM master_keys WHERE id = $1 AND is_primary = 0
			AND NOT EXISTS (SELECT 1 FROM data_keys WHERE master_id = $1)`, id)
		return err
	})
	return n > 0, err
}

// Announce keeps which master keys a server has, and forgets servers long gone.
func (s Keyring) Announce(ctx context.Context, k secret.ServerKeys) error {
	keys, err := encode(k.Keys)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, keyringOrder, func(tx *Tx) error {
		if err := tx.Send("DELETE FROM key_servers WHERE seen_at < $1", micros(k.SeenAt.Add(-serversKept))); err != nil {
			return err
		}
		return tx.Send(`INSERT INTO key_servers (instance, keys, seen_at) VALUES ($1, $2, $3)
			ON CONFLICT (instance) DO UPDATE SET keys = excluded.keys, seen_at = excluded.seen_at`, k.Instance, keys, micros(k.SeenAt))
	})
}

// Servers returns what servers announced since a time, by their names.
func (s Keyring) Servers(ctx context.Context, since time.Time) ([]secret.ServerKeys, error) {
	list, err := all(scanServerKeys)(s.db.query(ctx, "SELECT instance, keys, seen_at FROM key_servers WHERE seen_at >= $1 ORDER BY instance", micros(since)))
	return list, public("read servers' master keys", err)
}

func scanServerKeys(row scanner) (k secret.ServerKeys, err error) {
	var keys string
	var seen int64
	if err = row.Scan(&k.Instance, &keys, &seen); err != nil {
		return k, err
	}
	k.SeenAt = fromMicros(seen)
	return k, decode(keys, &k.Keys)
}
