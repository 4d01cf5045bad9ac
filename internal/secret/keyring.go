package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Installation owns what belongs to no team and no person: the keys the server itself signs with.
var Installation = identity.Owner{Type: "installation", UID: "installation"}

// maxOpened bounds the data keys kept open in memory.
const maxOpened = 1000

// MasterUse is a master key as the database knows it: by name, never the key.
type MasterUse struct {
	ID      string
	Primary bool // new data keys are sealed by it; exactly one is
	Since   time.Time
}

// DataKey is the key of an owner, sealed by a master key.
type DataKey struct {
	Owner    identity.Owner
	MasterID string
	Sealed   []byte
}

// ErrMoved refuses a data key that was sealed by a master key which is not the primary one any more.
var ErrMoved = errors.New("another master key is the primary one now")

// KeyStore keeps data keys and the names of the master keys they are sealed by.
type KeyStore interface {
	// Masters returns the master keys something may be sealed by.
	Masters(ctx context.Context) ([]MasterUse, error)
	// ClaimMaster makes a key the primary one if there is none, and returns which there are then.
	ClaimMaster(ctx context.Context, id string, at time.Time) ([]MasterUse, error)
	// DataKey returns an owner's key; resource_not_found when it has none.
	DataKey(ctx context.Context, owner identity.Owner) (DataKey, error)
	// AddDataKey stores an owner's first key and returns the one that is the owner's then: another, if
	// somebody was faster. It fails with ErrMoved unless the key is sealed by the primary master key.
	AddDataKey(ctx context.Context, k DataKey) (DataKey, error)
}

// KeyringConfig says where a server's master keys come from.
type KeyringConfig struct {
	Store KeyStore
	// Rotation is Store's further half, for Rotate and Run.
	Rotation RotationStore
	// Keys are master keys in base64, separated by commas or white space. When it is empty they are
	// read from File, which is made with a new key if it is missing and nothing is sealed yet.
	Keys, File string
	// Instance names this server among those that share the database.
	Instance string
	Now      func() time.Time
	Log      *slog.Logger
}

// Keyring seals and opens. Its methods are safe for concurrent use.
type Keyring struct {
	cfg KeyringConfig

	mu      sync.Mutex
	masters masters
	opened  map[identity.Owner]tink.AEAD
	wake    chan struct{} // has room for one
}

// NewKeyring takes up the master keys and makes sure that all that the database holds can be opened with
// them. A server that cannot is refused here, with what to do in the error.
func NewKeyring(ctx context.Context, cfg KeyringConfig) (*Keyring, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	k := &Keyring{cfg: cfg, opened: map[identity.Owner]tink.AEAD{}, wake: make(chan struct{}, 1)}
	uses, err := cfg.Store.Masters(ctx)
	if err != nil {
		return nil, err
	}
	order, made, err := k.load(len(uses) == 0)
	if err != nil {
		return nil, err
	}
	if len(uses) == 0 {
		if len(order) == 0 {
			return nil, errors.New("master key: there is none: set CADRE_MASTER_KEY to what openssl rand -base64 32 prints, the same for every server of this database")
		}
		if uses, err = cfg.Store.ClaimMaster(ctx, order[0], k.now()); err != nil {
			return nil, err
		}
	}
	if err := k.covers(uses); err != nil {
		if made { // another server claimed its own first: this key is nobody's
			err = errors.Join(err, removeFile(cfg.File))
		}
		return nil, err
	}
	return k, nil
}

// load reads the master keys, making the first if it may. order has their names as they were read.
func (k *Keyring) load(mayMake bool) (order []string, made bool, err error) {
	text, from := k.cfg.Keys, "CADRE_MASTER_KEY"
	if strings.TrimSpace(text) == "" && k.cfg.File != "" {
		from = k.cfg.File
		if text, err = readMasterFile(k.cfg.File); missing(err) {
			text, err = "", nil
			if mayMake {
				text, made = masterFileHead+NewMasterKey()+"\n", true
				err = writeMasterFile(k.cfg.File, text)
			}
		}
		if err != nil {
			return nil, false, fmt.Errorf("master key: %w", err)
		}
	}
	all, order, err := parseMasters(text)
	if err != nil {
		return nil, false, fmt.Errorf("master key: %s: %w", from, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.masters = all
	return order, made, nil
}

// covers says what is missing to open what is sealed by these master keys.
func (k *Keyring) covers(uses []MasterUse) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, u := range uses {
		if _, ok := k.masters[u.ID]; ok {
			continue
		}
		where := "set CADRE_MASTER_KEY"
		if k.cfg.File != "" {
			where = "put it into " + k.cfg.File + " or " + where
		}
		return fmt.Errorf("master key: secrets of this database are sealed by the master key %s, which this server does not have (it has %s): "+
			"%s to the keys of the server that wrote them; see docs/secrets.md, \"Master keys\"", u.ID, k.names(), where)
	}
	return nil
}

// names lists the keys there are. mu is held.
func (k *Keyring) names() string {
	if len(k.masters) == 0 {
		return "none"
	}
	ids := make([]string, 0, len(k.masters))
	for id := range k.masters {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return strings.Join(ids, ", ")
}

func (k *Keyring) now() time.Time { return k.cfg.Now().UTC().Truncate(time.Microsecond) }

// Seal seals a value for an owner under a name. The result says nothing about the value but its length.
func (k *Keyring) Seal(ctx context.Context, owner identity.Owner, name string, plain []byte) ([]byte, error) {
	a, err := k.dataKey(ctx, owner, true)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	sealed, err := a.Encrypt(plain, binding("value", owner, name))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Open returns what Seal sealed for the same owner and name. What was changed, moved or sealed for
// another is refused.
func (k *Keyring) Open(ctx context.Context, owner identity.Owner, name string, sealed []byte) ([]byte, error) {
	a, err := k.dataKey(ctx, owner, false)
	if err != nil {
		return nil, fmt.Errorf("open sealed value: %w", err)
	}
	plain, err := a.Decrypt(sealed, binding("value", owner, name))
	if err != nil {
		return nil, errors.New("open sealed value: it is damaged or belongs elsewhere")
	}
	return plain, nil
}

// binding is what is sealed along with something, so that it opens there only. Lengths keep two bindings
// apart whatever the names contain.
func binding(what string, owner identity.Owner, name string) []byte {
	return fmt.Appendf(nil, "cadre %s %d:%s %d:%s %d:%s", what, len(owner.Type), owner.Type, len(owner.UID), owner.UID, len(name), name)
}

// dataKey returns an owner's key, making the first one if asked to.
func (k *Keyring) dataKey(ctx context.Context, owner identity.Owner, mayMake bool) (tink.AEAD, error) {
	k.mu.Lock()
	a := k.opened[owner]
	k.mu.Unlock()
	if a != nil {
		return a, nil
	}
	stored, err := k.cfg.Store.DataKey(ctx, owner)
	if mayMake && api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound {
		stored, err = k.addDataKey(ctx, owner)
	}
	if err != nil {
		return nil, err
	}
	handle, err := k.unwrap(stored)
	if err != nil {
		return nil, err
	}
	if a, err = aead.New(handle); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.opened) >= maxOpened {
		clear(k.opened) // they are read again when needed
	}
	k.opened[owner] = a
	return a, nil
}

// addDataKey makes an owner's key under the primary master key.
func (k *Keyring) addDataKey(ctx context.Context, owner identity.Owner) (DataKey, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return DataKey{}, err
	}
	for {
		uses, err := k.cfg.Store.Masters(ctx)
		if err != nil {
			return DataKey{}, err
		}
		i := slices.IndexFunc(uses, func(u MasterUse) bool { return u.Primary })
		if i < 0 {
			return DataKey{}, errors.New("no master key is the primary one")
		}
		fresh, err := k.wrap(handle, owner, uses[i].ID)
		if err != nil {
			return DataKey{}, err
		}
		stored, err := k.cfg.Store.AddDataKey(ctx, fresh)
		if !errors.Is(err, ErrMoved) {
			return stored, err
		}
	}
}

func (k *Keyring) wrap(handle *keyset.Handle, owner identity.Owner, masterID string) (DataKey, error) {
	m, err := k.master(masterID)
	if err != nil {
		return DataKey{}, err
	}
	var b bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&b), m.aead, binding("data key", owner, "")); err != nil {
		return DataKey{}, fmt.Errorf("seal data key: %w", err)
	}
	return DataKey{Owner: owner, MasterID: masterID, Sealed: b.Bytes()}, nil
}

func (k *Keyring) unwrap(d DataKey) (*keyset.Handle, error) {
	m, err := k.master(d.MasterID)
	if err != nil {
		return nil, err
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(d.Sealed)), m.aead, binding("data key", d.Owner, ""))
	if err != nil {
		return nil, errors.New("open data key: it is damaged or belongs elsewhere")
	}
	return handle, nil
}

// master returns a master key. One that is missing may have come into the file since it was read.
func (k *Keyring) master(id string) (master, error) {
	for again := range 2 {
		k.mu.Lock()
		m, ok := k.masters[id]
		k.mu.Unlock()
		if ok {
			return m, nil
		}
		if again == 0 {
			k.reload()
		}
	}
	f := api.Fail(api.PlatformErrorCodeResourceUnavailable, "the server was not given the master key that opens this; its operator has to add the key %s", id)
	f.Status = 503 // not the caller's haste, as the code's own status would say
	return master{}, f
}

// reload takes up the keys that are in the file now. A file that cannot be read changes nothing: the
// keys known so far stay.
func (k *Keyring) reload() {
	if strings.TrimSpace(k.cfg.Keys) != "" || k.cfg.File == "" {
		return
	}
	text, err := readMasterFile(k.cfg.File)
	if err != nil {
		k.cfg.Log.Warn("read master keys again", "err", err)
		return
	}
	all, _, err := parseMasters(text)
	if err != nil || len(all) == 0 {
		k.cfg.Log.Warn("read master keys again", "file", k.cfg.File, "err", err)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.masters = all
}
