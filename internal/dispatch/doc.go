// Package dispatch owns the way from a waiting run to a connected worker: matching runs to workers,
// the leases of executions, and reaping what was lost. It speaks the worker protocol over a Transport
// that the HTTP layer provides.
//
// It refuses to change a run: every move is asked of Runs, which may say no. So two dispatchers over
// one store can offer the same waiting run at the same moment and only one of them places it. What
// dispatch keeps in memory (connections, their tasks) can be lost at any time: leases in SQL and what
// workers say about themselves restore it.
//
// # Leases
//
//   - An offer stands for Config.ClaimWait (10 s). Rejected, not claimed in time, or made on a
//     connection that ended, its run goes back to the queue. So it does, at once, when a server of the
//     same Config.Instance starts again, and otherwise when the offer's lease (Config.Lease) ends.
//   - A claimed execution is leased for Config.Lease (18 s) from the latest proof that its worker
//     still has it: the worker's heartbeat names it or, for workers that send none, its connection
//     answered a ping (sent at a third of a lease). One tick a second renews everything proven since
//     the last one in one batch.
//   - A connection that ends takes no claimed execution with it: the worker comes back within the
//     lease, says in its hello what it runs, and goes on. A worker that sends no hello takes over the
//     executions of its host whose lease nobody renewed for half its length.
//   - An execution whose lease ran out is lost. After a start or a pause of this process, or a time
//     without the store, workers get a whole lease to come back before anything is called lost.
//   - An execution that a worker still runs though it is over is cancelled there: at once when the
//     server does not know it, after a grace when it ended a moment ago, because its own report may be
//     on the way.
//
// # Matching
//
// A place is a host name and a team: a worker serves the runs of its key's team only. A place is
// marked dirty when the queue may hold runs for it: by a hint, by a run put back, once a second.
// A round asks the store, in one query, for what should start at the dirty places that have room,
// assigns them at once, so that they share commits, and offers them before the next round: what comes
// meanwhile makes that one larger. The hint, not the tick, is the way of a run that is placed at once.
//
// # Replicas
//
// Dispatchers over one store need no agreement: Assign decides in SQL who places a run, and a lease is
// renewed by whoever has the worker. They announce their places to each other (Config.Peers) only to
// tell people the same wherever they ask: who is connected, and why a run waits.
//
// With limits of teams (Config.TeamLimit) one dispatcher keeps the limit exactly; several may exceed it together by what
// each places in the same moment.
//
// # Locks
//
// Dispatcher.mu guards all connections, tasks and places. It is a leaf: nothing is called, sent or
// waited for under it, except the non-blocking hand-over to a connection's writer.
package dispatch
