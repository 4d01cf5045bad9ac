// Package link is the runner's side of the wire: the calls one execution makes to its server, with
// its run token, and the Outbox that delivers entries exactly once and in order however often the
// connection breaks.
//
// It owns which failures pass (the server is away, and the call is repeated until it is back) and
// which mean that this execution is over (ErrOver). It refuses to know what entries mean.
package link
