package event

import "context"

// identityChanged is the subject of changes of who may do what.
const identityChanged = "cadre.identity"

// IdentityChanged says that somebody's rights changed: what is remembered of credentials is stale.
func (b *Bus) IdentityChanged() { b.publish(identityChanged, nil) }

// IdentityChanges rings when somebody's rights may have changed, until ctx ends or the bus closes; the
// channel is closed then. Rings that nobody answered yet are one.
func (b *Bus) IdentityChanges(ctx context.Context) (<-chan struct{}, error) {
	w := bell{newMailbox(1, func(_, latest struct{}) struct{} { return latest })}
	if err := b.subscribe(ctx, identityChanged, w); err != nil {
		return nil, err
	}
	return w.ch, nil
}
