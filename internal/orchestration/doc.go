// Package orchestration owns what runs have to do with each other: who may speak to whom, mailboxes, and
// who may follow what happens to which runs.
//
// It refuses to change a run. A message reaches its recipient through run.Service.Post, which stores it
// with the event that tells of it and with what follows for the recipient's state, in one transaction;
// from there it travels to the agent as commands do. Following live is the work of run/feed.
package orchestration
