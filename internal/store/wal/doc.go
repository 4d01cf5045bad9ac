// Package wal makes SQLite write what a commit adds to its write-ahead log in one system call, where
// SQLite itself makes two for every page: a commit of a run touches twenty pages, and the calls took
// longer than their sync.
//
// It registers a file system with SQLite (a "VFS") that is SQLite's own, unix, in everything but this:
// what is written to a log behind what was written just before is kept in memory until SQLite syncs,
// reads, measures, cuts or closes that log. So it holds only for connections with synchronous=FULL,
// whose commits are synced before anybody hears of them; and a log loses nothing in a crash that was
// not lost before: what no sync has covered was never promised.
//
// It refuses to change what is written, where, or when it is durable.
package wal
