// Package worker is the daemon on a host that turns runs into sandboxes: it connects to the server,
// claims what it is offered, has a backend build the sandbox, and reports how its process ended.
//
// It owns the worker's side of the worker protocol: staying connected, claiming before building,
// refusing beyond its capacity, cancelling, and saying which executions it still carries out so that
// their leases hold. It refuses to know what happens inside a sandbox, which its runner reports.
package worker
