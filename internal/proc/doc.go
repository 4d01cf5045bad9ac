// Package proc owns what becomes of processes: finding every process of an execution however it
// tried to get away, ending all of them within a bound, limiting their resources and confining what
// they can touch.
//
// A process belongs to an execution when it is in the execution's Cgroup, which nothing leaves. Where
// the system gives none, it belongs when it carries the execution's Cookie in its environment or its
// Mark, or descends from a process that is known to belong. Together these catch processes that change
// their environment, group, session or parent, though not one that knows of them all and sheds them.
// The package refuses to know what an execution is.
//
// A user and pid namespace is not used in place of a Cgroup: it would need a /proc of its own, which a
// process confined by Landlock cannot mount, and without it pgrep, lsof and the like mislead agents.
package proc
