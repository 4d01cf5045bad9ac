package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/secret"
)

// Secrets keeps secrets, sealed, and their uses: secret.Store and secret.Uses.
type Secrets struct{ db *DB }

// NewSecrets keeps secrets in db.
func NewSecrets(db *DB) Secrets { return Secrets{db} }

var (
	_ secret.Store = Secrets{}
	_ secret.Uses  = Secrets{}
)

const selectSecrets = `SELECT uid, owner_type, owner_uid, name, type, description, file_name, sealed, creator, editor,
	created_at, updated_at, valued_at FROM secrets WHERE `

func scanSecret(row scanner) (c secret.Secret, err error) {
	var sealed, creator, editor string
	var created, updated, valued int64
	if err = row.Scan(&c.UID, &c.Owner.Type, &c.Owner.UID, &c.Name, &c.Type, &c.Description, &c.FileName, &sealed, &creator, &editor,
		&created, &updated, &valued); err != nil {
		return c, err
	}
	c.CreatedAt, c.UpdatedAt, c.ValuedAt = fromMicros(created), fromMicros(updated), fromMicros(valued)
	var bad error
	c.Sealed, bad = base64.StdEncoding.DecodeString(sealed)
	return c, errors.Join(bad, decode(creator, &c.Creator), decode(editor, &c.Editor))
}

// Insert stores a new secret unless its owner has limit of them already.
func (s Secrets) Insert(ctx context.Context, c secret.Secret, limit int) error {
	creator, err := encode(c.Creator)
	if err != nil {
		return err
	}
	editor, err := encode(c.Editor)
	if err != nil {
		return err
	}
	// The owner's inserts come one after the other: the count holds, between servers but for a few.
	return s.db.Write(ctx, c.Owner.UID, func(tx *Tx) error {
		names, err := all(value[string])(tx.Query("SELECT name FROM secrets WHERE owner_type = $1 AND owner_uid = $2", string(c.Owner.Type), c.Owner.UID))
		if err != nil {
			return err
		}
		if len(names) >= limit {
			return api.Fail(api.PlatformErrorCodeOperationNotSupported, "there may be at most %d secrets here: delete some", limit)
		}
		n, err := tx.Exec(`INSERT INTO secrets (uid, owner_type, owner_uid, name, type, description, file_name, sealed, creator,
				editor, created_at, updated_at, valued_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
			ON CONFLICT (owner_type, owner_uid, name) DO NOTHING`,
			c.UID, string(c.Owner.Type), c.Owner.UID, c.Name, string(c.Type), c.Description, c.FileName,
			base64.StdEncoding.EncodeToString(c.Sealed), creator, editor, micros(c.CreatedAt), micros(c.UpdatedAt), micros(c.ValuedAt))
		if err == nil && n == 0 {
			f := api.Fail(api.PlatformErrorCodeConflict, "there is a secret %s already: update it, or delete it first", c.Name)
			f.Retryable = new(bool)
			return f
		}
		return err
	})
}

// Get returns one secret.
func (s Secrets) Get(ctx context.Context, uid string) (secret.Secret, error) {
	c, err := one(scanSecret)(s.db.query(ctx, selectSecrets+"uid = $1", uid))
	return c, foundSecret(uid, err)
}

func foundSecret(uid string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return api.NotFound("secret", uid)
	}
	return public("read secret", err)
}

// List returns the secrets of owners, by name and then by kind of owner.
func (s Secrets) List(ctx context.Context, owners ...identity.Owner) ([]secret.Secret, error) {
	if len(owners) == 0 {
		return nil, nil
	}
	var c clause
	var any []string
	for _, o := range owners {
		any = append(any, c.ownedBy("", o))
	}
	list, err := all(scanSecret)(s.db.queryOnce(ctx, selectSecrets+"("+strings.Join(any, " OR ")+") ORDER BY name, owner_type", c.args...))
	return list, public("read secrets", err)
}

// Change stores what decide makes of a secret. Owner, name and type stay.
func (s Secrets) Change(ctx context.Context, uid string, decide func(*secret.Secret) error) (secret.Secret, error) {
	var c secret.Secret
	err := s.db.Write(ctx, uid, func(tx *Tx) error {
		var err error
		if c, err = one(scanSecret)(tx.Query(selectSecrets+"uid = $1"+tx.forUpdate("secrets"), uid)); err != nil {
			return foundSecret(uid, err)
		}
		if err := decide(&c); err != nil {
			return err
		}
		editor, err := encode(c.Editor)
		if err != nil {
			return err
		}
		return tx.Send("UPDATE secrets SET description = $2, sealed = $3, editor = $4, updated_at = $5, valued_at = $6 WHERE uid = $1",
			uid, c.Description, base64.StdEncoding.EncodeToString(c.Sealed), editor, micros(c.UpdatedAt), micros(c.ValuedAt))
	})
	return c, err
}

// Delete removes a secret. Its uses stay, as what happened.
func (s Secrets) Delete(ctx context.Context, uid string) error {
	return s.db.Write(ctx, uid, func(tx *Tx) error {
		n, err := tx.Exec("DELETE FROM secrets WHERE uid = $1", uid)
		if err == nil && n == 0 {
			return api.NotFound("secret", uid)
		}
		return err
	})
}

// Record notes uses, and what a run received with them.
func (s Secrets) Record(ctx context.Context, runID string, uses []secret.Use, decide func(*secret.Received) error) error {
	return s.db.Write(ctx, runID, func(tx *Tx) error {
		// The row is made first, so that there is one to lock.
		if _, err := tx.Exec("INSERT INTO run_secrets (run_id, secrets, unresolved, agent) VALUES ($1, '[]', '[]', 0) ON CONFLICT (run_id) DO NOTHING",
			runID); err != nil {
			return err
		}
		r, err := one(scanReceived)(tx.Query(selectReceived+tx.forUpdate("run_secrets"), runID))
		if err != nil {
			return err
		}
		if err := decide(&r); err != nil {
			return err
		}
		secrets, err := encode(r.Secrets)
		if err != nil {
			return err
		}
		unresolved, err := encode(r.Unresolved)
		if err != nil {
			return err
		}
		if err := tx.Send("UPDATE run_secrets SET secrets = $2, unresolved = $3, agent = $4 WHERE run_id = $1", runID, secrets, unresolved, r.Agent); err != nil {
			return err
		}
		for _, u := range uses {
			if err := tx.Send(`INSERT INTO secret_uses (secret_uid, run_id, execution, phase, at) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (secret_uid, run_id, execution, phase) DO NOTHING`, u.SecretUID, u.RunID, u.Execution, string(u.Phase), micros(u.At)); err != nil {
				return err
			}
		}
		return nil
	})
}

const selectReceived = "SELECT secrets, unresolved, agent FROM run_secrets WHERE run_id = $1"

func scanReceived(row scanner) (r secret.Received, err error) {
	var secrets, unresolved string
	if err = row.Scan(&secrets, &unresolved, &r.Agent); err != nil {
		return r, err
	}
	return r, errors.Join(decode(secrets, &r.Secrets), decode(unresolved, &r.Unresolved))
}

// Received returns what a run got.
func (s Secrets) Received(ctx context.Context, runID string) (secret.Received, error) {
	r, err := one(scanReceived)(s.db.query(ctx, selectReceived, runID))
	if errors.Is(err, sql.ErrNoRows) {
		return secret.Received{}, nil
	}
	return r, public("read secrets of run", err)
}

// Uses returns the uses of a secret before a position, latest first.
func (s Secrets) Uses(ctx context.Context, secretUID, cursor string, limit int) ([]secret.Use, string, error) {
	at, runID, execution, phase, err := openUseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	list, err := all(scanUse)(s.db.query(ctx, `SELECT secret_uid, run_id, execution, phase, at FROM secret_uses
		WHERE secret_uid = $1 AND (at, run_id, execution, phase) < ($2, $3, $4, $5)
		ORDER BY at DESC, run_id DESC, execution DESC, phase DESC LIMIT $6`, secretUID, at, runID, execution, phase, limit+1))
	if err != nil || len(list) <= limit {
		return list, "", public("read uses of secret", err)
	}
	last := list[limit-1]
	next := fmt.Appendf(nil, "%d %s %d %s", micros(last.At), last.RunID, last.Execution, last.Phase)
	return list[:limit], base64.RawURLEncoding.EncodeToString(next), nil
}

func scanUse(row scanner) (u secret.Use, err error) {
	var at int64
	err = row.Scan(&u.SecretUID, &u.RunID, &u.Execution, &u.Phase, &at)
	u.At = fromMicros(at)
	return u, err
}

func openUseCursor(text string) (at int64, runID string, execution int, phase string, err error) {
	if text == "" {
		return 1 << 62, "", 0, "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(b), " ")
	if err == nil && len(parts) == 4 {
		at, err = strconv.ParseInt(parts[0], 10, 64)
		if err == nil {
			execution, err = strconv.Atoi(parts[2])
		}
	}
	if err != nil || len(parts) != 4 {
		return 0, "", 0, "", api.Invalid("cursor", "is not one that this list gave")
	}
	return at, parts[1], execution, parts[3], nil
}
