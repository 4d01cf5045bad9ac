// Package event owns the bus: NATS in the process by default, or an external NATS that replicas
// share. It carries hints ("run X has entries up to 17", "something waits for host Y"), commands'
// door bells and the deltas of entries in the making.
//
// It refuses to carry anything that may not be lost. SQL decides; a message only says where to look
// sooner than the next slow check. Publishing never blocks and never fails: with the bus down,
// stalled or full the message is dropped and counted. A subscriber that falls behind loses messages
// and is told so by Dropped, and so is every subscriber after a lost connection: it then loads again.
//
// Each watched subject has one NATS subscription, however many subscribers of this process share it,
// and all subscriptions feed one channel that one goroutine routes, so that a thousand quiet watchers
// cost no goroutines.
//
// Lock order: Bus.mu, then mailbox.mu. Neither is held while publishing or waiting.
package event
