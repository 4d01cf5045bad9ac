// Package wal makes SQLite write what a commit adds to its write-ahead log in one system call, where
// SQLite itself makes two for every page: a commit of a run touches twenty pages, and the calls took
// longer than their sync.
//
// It registers a file system with SQLite (a "VFS") that is SQLite's own, unix, in everything but this:
// what is written to a log behind what was written just before is kept in memory until SQLite syncs
// that log. So it holds only for connections that sync every commit before anybody hears of it, and
// that write nothing to the log before they commit (Use sees to both). Then nothing is kept outside of a
// commit, whose writer alone may write: nobody else's log is written over, and a log loses nothing in a
// crash that was not lost before, since what no sync has covered was never promised. The price is that
// all pages a transaction changes stay in memory until it commits.
//
// It refuses to change what is written, where, or when it is durable.
package wal
