package event

import "context"

const changesSubject = "cadre.changes"

// Changed says that lifecycle events of some runs were stored.
func (b *Bus) Changed() { b.publish(changesSubject, nil) }

// Changes rings when lifecycle events may have been stored, until ctx ends or the bus closes; the
// channel is closed then. Rings that nobody answered yet are one.
func (b *Bus) Changes(ctx context.Context) (<-chan struct{}, error) {
	w := bell{newMailbox(1, func(_, latest struct{}) struct{} { return latest })}
	if err := b.subscribe(ctx, changesSubject, w); err != nil {
		return nil, err
	}
	return w.ch, nil
}
