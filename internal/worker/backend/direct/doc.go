// Package direct runs tasks as processes of the worker's host, each in a directory of its own.
//
// It owns those directories, the hooks around a task, and that nothing of a task outlives it (see
// guard): the runner, whatever detached itself from it, and, at the next start, whatever a worker that
// was killed left behind. Isolation is what Landlock and rlimits give; it shares the
// host's kernel, network and user.
//
// A workspace root belongs to one worker at a time, which holds a lock on it. Below it each task has
// RUN/EXECUTION with mode 0700, removed at its end.
package direct
