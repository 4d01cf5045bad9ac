// Package proc owns what becomes of processes: finding every process of an execution however it
// tried to get away, ending all of them within a bound, limiting their resources and confining what
// they can touch.
//
// A process belongs to an execution when it carries the execution's Cookie in its environment, or
// descends from a process that is known to belong. Together they catch processes that change their
// group, their session or their parent. The package refuses to know what an execution is.
package proc
