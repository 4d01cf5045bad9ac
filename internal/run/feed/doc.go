// Package feed tells of what happens to runs, to everybody who watches more than one of them. A Feed
// reads the lifecycle events of all runs, in their one order, once per process; a Board turns them into
// the runs as they stand now, once for all who look at lists. It refuses to decide who may see what:
// events and runs carry their owner, and callers check.
//
// A Feed reads only while somebody watches. Watchers lose and repeat nothing: one that falls behind what
// is kept in memory reads on from the log.
package feed
