// Package fault marks the points of a program where the crash suite kills it. In ordinary builds a
// point is nothing at all; with the build tag "faults" a process asks the suite there whether to die by
// SIGKILL. The package decides nothing else.
package fault

// Point names a moment between two steps whose order matters for recovery. A process reaches it many
// times; the crash suite chooses at which arrival it dies.
type Point string

// The points, by who passes them. "Before" is after the work was prepared and before it is durable
// or sent; "after" is when it is, and nobody was told.
const (
	StoreBeforeCommit   Point = "store.commit.before"
	StoreAfterCommit    Point = "store.commit.after"
	WorkerBeforeClaim   Point = "worker.claim.before"
	WorkerAfterClaim    Point = "worker.claim.after"
	WorkerAfterStart    Point = "worker.start.after"
	WorkerBeforeReport  Point = "worker.report.before"
	ScheduleBeforeStart Point = "schedule.start.before"
	ScheduleAfterStart  Point = "schedule.start.after"
	SecretBeforeRewrap  Point = "secret.rewrap.before"
	SecretAfterRewrap   Point = "secret.rewrap.after"
	RunnerAfterStart    Point = "runner.start.after"
	RunnerBeforeAppend  Point = "runner.append.before"
	RunnerAfterAppend   Point = "runner.append.after"
	RunnerAfterAction   Point = "runner.action.after"
	RunnerAfterSnapshot Point = "runner.snapshot.after"
	RunnerBeforeEnd     Point = "runner.end.before"
)

// Points lists every point, so that the crash suite leaves none out.
var Points = []Point{
	StoreBeforeCommit, StoreAfterCommit,
	WorkerBeforeClaim, WorkerAfterClaim, WorkerAfterStart, WorkerBeforeReport,
	ScheduleBeforeStart, ScheduleAfterStart,
	SecretBeforeRewrap, SecretAfterRewrap,
	RunnerAfterStart, RunnerBeforeAppend, RunnerAfterAppend, RunnerAfterAction, RunnerAfterSnapshot, RunnerBeforeEnd,
}
