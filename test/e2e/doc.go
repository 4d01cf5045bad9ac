// Package e2e tells whole stories: a server with its store, bus and blobs and a worker, all in this
// process and reached over loopback, whose sandboxes are real processes of the real program. One
// story is one test, seen from the API as a client sees it.
package e2e
