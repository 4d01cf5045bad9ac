// Package runner carries out one execution of a run inside its sandbox: it prepares the workspace,
// drives the harness, reports, keeps what the agent left behind and cleans up.
//
// It owns the order of the steps (a file each: step_*.go), what a failing step means for the run, the
// idle window, and that nothing of the execution survives it. It refuses to decide states, which the
// server does, and to know any agent: see harness.
//
// # Life
//
// Run links up with the server, carries out the steps, then lets the harness take turns as long as
// there is something to do, and ends the execution. A server that is away is waited for, at any
// moment. The end of its context is a request to leave in good order: the agent is stopped, the
// workspace kept, the execution ended, all within Config.Grace. When the server says that the
// execution is over (superseded, cancelled), everything is killed at once.
//
// # What is kept
//
// The workspace is kept at the end of a turn and, in the background, once the actions pause that may
// have changed it (see keeper). With every snapshot goes the number of the last entry stored before it
// was begun. The next execution's notice to the agent rests on that: which actions came later, so
// that what they changed is missing (see resume). It is silent when a run goes on as it was left.
package runner
