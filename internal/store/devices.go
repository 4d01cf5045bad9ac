package store

import (
	"context"
	"encoding/hex"

	"github.com/cadrehq/cadre/internal/identity"
)

const selectDevices = `SELECT hash, code, address, device, created_at, expires_at, polled_at, decision, user_uid, team_uid
	FROM device_grants WHERE `

func scanDevice(row scanner) (d identity.Device, err error) {
	var hash string
	var created, expires, polled int64
	err = row.Scan(&hash, &d.Code, &d.Address, &d.Browser.Device, &created, &expires, &polled, &d.Decision, &d.UserUID, &d.TeamUID)
	if err != nil {
		return d, err
	}
	d.CreatedAt, d.ExpiresAt, d.PolledAt = fromMicros(created), fromMicros(expires), fromMicros(polled)
	d.Hash, err = hex.DecodeString(hash)
	return d, err
}

// PutDevice stores a device's request.
func (s Identity) PutDevice(ctx context.Context, d identity.Device) error {
	return s.db.Write(ctx, d.Code, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO device_grants (hash, code, address, device, created_at, expires_at, polled_at, decision,
			user_uid, team_uid) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			hex.EncodeToString(d.Hash), d.Code, d.Address, d.Browser.Device, micros(d.CreatedAt), micros(d.ExpiresAt),
			micros(d.PolledAt), string(d.Decision), d.UserUID, d.TeamUID)
		return err
	})
}

// DeviceByCode returns the request with the code that people see.
func (s Identity) DeviceByCode(ctx context.Context, code string) (identity.Device, error) {
	d, err := one(scanDevice)(s.db.query(ctx, selectDevices+"code = $1", code))
	return d, found("read device", "device", "", err)
}

// DecideDevice stores what a person decided about the device with this code.
func (s Identity) DecideDevice(ctx context.Context, code string, decide func(*identity.Device) error) error {
	return s.db.Write(ctx, code, func(tx *Tx) error {
		d, err := one(scanDevice)(tx.Query(selectDevices+"code = $1"+tx.forUpdate("device_grants"), code))
		if err != nil {
			return found("read device", "device", "", err)
		}
		if err := decide(&d); err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE device_grants SET decision = $2, user_uid = $3, team_uid = $4 WHERE code = $1",
			code, string(d.Decision), d.UserUID, d.TeamUID)
		return err
	})
}

// PollDevice stores what a device's poll changed: see identity.DeviceStore.
func (s Identity) PollDevice(ctx context.Context, hash []byte, decide func(*identity.Device) (*identity.Key, bool, error)) error {
	key := hex.EncodeToString(hash)
	return s.db.Write(ctx, key, func(tx *Tx) error {
		d, err := one(scanDevice)(tx.Query(selectDevices+"hash = $1"+tx.forUpdate("device_grants"), key))
		if err != nil {
			return found("read device", "device", "", err)
		}
		k, done, err := decide(&d)
		if err != nil {
			return err
		}
		if k != nil {
			if err := putKey(tx, *k); err != nil {
				return err
			}
		}
		if done {
			_, err = tx.Exec("DELETE FROM device_grants WHERE hash = $1", key)
			return err
		}
		_, err = tx.Exec("UPDATE device_grants SET polled_at = $2 WHERE hash = $1", key, micros(d.PolledAt))
		return err
	})
}
