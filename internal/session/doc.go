// Package session owns the conversation of a run as readers meet it: what an entry may look like,
// following it live, and its renderings (normalised conversation, transcript).
//
// Entries are numbered from 1 without gaps, so a reader's position is the number of the last entry
// it has. Following is subscribe, load, then forward: all viewers of a run share one room, which
// loads and encodes each new entry once. Deltas, fragments of entries still being produced, are
// shown while they last and are the first thing a slow viewer misses; an entry never is. Viewers who
// have everything may rest: then the room hands them what is new. See seats.go.
//
// Lock order: Service.mu, or seats.mu; then room.mu.
//
// It refuses to append (a change of the run: see internal/run) and to decide who may read.
package session
