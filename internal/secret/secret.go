package secret

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Secret is a named value of a team or a person. Its value is sealed.
type Secret struct {
	UID         string
	Owner       identity.Owner
	Name        string // of an environment variable
	Type        api.SecretType
	Description string
	FileName    string // of a FILE
	Sealed      []byte // an api.SecretValue in JSON, bound to Owner and Name
	Creator     api.UserProfile
	Editor      api.UserProfile
	CreatedAt   time.Time
	UpdatedAt   time.Time
	ValuedAt    time.Time // when the value last changed
}

// Wire is the secret as the API shows it.
func (s Secret) Wire() api.Secret {
	return api.Secret{
		Uid: s.UID, Name: s.Name, Type: s.Type, Description: s.Description, FileName: s.FileName,
		Scope: api.Scope{Type: s.Owner.Type, Uid: s.Owner.UID}, Creator: s.Creator, LastEditor: s.Editor,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, ValueUpdatedAt: s.ValuedAt,
	}
}

// delivered reports whether sandboxes get the secret. The others are for the model gateway.
func (s Secret) delivered() bool {
	return s.Type == api.SecretTypeRAWVALUE || s.Type == api.SecretTypeFILE
}

// Use is one delivery of a secret.
type Use struct {
	SecretUID string
	RunID     string
	Execution int
	Phase     api.SecretUsePhase
	At        time.Time
}

// Wire is the use as the API shows it.
func (u Use) Wire() api.SecretUse {
	return api.SecretUse{RunId: u.RunID, Execution: u.Execution, Phase: u.Phase, At: u.At}
}

// Received is what a run got, and what it asked for in vain.
type Received struct {
	Secrets    []api.RunSecret
	Unresolved []string
	// Agent is the number of the last execution whose agent took its secrets; 0 for none.
	Agent int
}

// Store keeps secrets.
type Store interface {
	// Insert stores a new secret unless its owner has limit of them. A name that is taken is a conflict.
	Insert(ctx context.Context, s Secret, limit int) error
	// Get returns one; api.NotFound when there is none.
	Get(ctx context.Context, uid string) (Secret, error)
	// List returns those of the owners, by name and then by kind of owner.
	List(ctx context.Context, owners ...identity.Owner) ([]Secret, error)
	// Change stores what decide makes of a secret.
	Change(ctx context.Context, uid string, decide func(*Secret) error) (Secret, error)
	Delete(ctx context.Context, uid string) error
}

// Uses keeps which runs received what.
type Uses interface {
	// Record adds uses that are not there yet, and stores what decide makes of what the run received so
	// far, in one transaction. An error of decide is returned, and nothing stored.
	Record(ctx context.Context, runID string, uses []Use, decide func(*Received) error) error
	// List returns the uses of a secret before a position, latest first, and the position of the rest.
	Uses(ctx context.Context, secretUID, cursor string, limit int) ([]Use, string, error)
	// Received returns what a run got; the zero value when it got nothing yet.
	Received(ctx context.Context, runID string) (Received, error)
}
