package event

import "context"

const (
	peerSubject = "cadre.dispatch"
	// peerBuffer is how many announcements a reader may fall behind; older ones are lost first.
	peerBuffer = 64
)

// Announce tells the dispatchers of all replicas, this one included, what one of them has to say.
// What they say is theirs to encode; it must stay below NATS' bound of 1 MiB.
func (b *Bus) Announce(payload []byte) { b.publish(peerSubject, payload) }

// Announcements delivers what dispatchers announce until ctx ends or the bus closes; the channel is
// closed then. Lost announcements are not marked: each replaces the sender's former one.
func (b *Bus) Announcements(ctx context.Context) (<-chan []byte, error) {
	w := announcements{newMailbox(peerBuffer, func(_, latest []byte) []byte { return latest })}
	if err := b.subscribe(ctx, peerSubject, w); err != nil {
		return nil, err
	}
	return w.ch, nil
}

type announcements struct{ *mailbox[[]byte] }

func (w announcements) deliver(payload []byte) { w.push(payload) }
func (w announcements) drop()                  {}
