// Package event owns the bus: NATS in the process by default, joined with those of other servers by a
// Line (PostgreSQL's notifications), or an external NATS that the servers share. It carries hints
// ("run X has entries up to 17", "something waits for host Y"), commands' door bells and the deltas of
// entries in the making.
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
// On a Line every server hears everything, in numbered frames: several messages in one, or one in
// several. A server that finds a number missing, or hears of another server for the first time, tells
// all its subscribers of a drop. A server that knows of no other only says, at every beat, that it is
// there; hearing itself say so is how it knows that the Line works.
//
// Lock order: Bus.mu, then mailbox.mu. Neither is held while publishing or waiting. relay.mu is a leaf.
package event
