// Package store owns all SQL: both engines (SQLite and PostgreSQL), their migrations, and one small
// type per noun that implements the interface its caller declared.
//
// Every write goes through the grouped writer (DB.Write): operations of many callers share one
// transaction and one durable commit, and each caller is answered after that commit. On SQLite there
// is one writer; on PostgreSQL there are several, and the key of an operation decides which one, so
// that operations on one run never meet in two groups of this process. A commit is durable when its
// callers hear of it; a group whose commit failed was not stored, as far as anybody can tell, and its
// callers are told to try again.
//
// It refuses to decide: what a change means is the domain's business, reached through the decide
// functions it is handed. It refuses to publish: after a commit it hands notices to Options.OnCommit.
package store
