// Package run owns a run's life: its states and the one table of legal moves, its executions with
// their fencing and leases, the commands that steer it, and everything those decide in one
// transaction. Each act is a Service method in a file of its own whose decision is a pure function
// of Current, so that it can be tried without a store.
//
// It refuses to know how runs are stored (Store), who is told (the store publishes a Notice after
// each commit), which worker takes a run (dispatch) and how the conversation is read (session).
// Nothing outside this package changes a run.
package run
