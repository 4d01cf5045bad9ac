// Package harness is the contract between the runner and the program that is the agent.
//
// It owns the interface every harness fulfils and the queue of commands a harness reads. It refuses
// to know any particular agent, the server or HTTP: entries leave through Sink, steering arrives
// through Inbox, and the runner decides what becomes of an Outcome.
//
// # Order
//
// The runner calls Harness.Start once per sandbox, then Agent.Turn as often as there is something to
// do, then Agent.Close exactly once. Before the first Turn the Inbox holds every command the server
// had not seen consumed. Between two Turns the runner waits: after an Outcome that is BLOCKED until
// the Inbox has a command, after one that ended the work for as long as the sandbox idles. It reports
// the Outcome's state to the server, and reports INPROGRESS again before it calls Turn anew.
//
// # Concurrency
//
// Start, Turn and Close of one agent are never called at the same time. A harness may call Sink and
// Inbox from several goroutines. Inbox.Put may be called at any time.
//
// # Idempotence and crashes
//
// History is the truth. A harness that can resume derives everything it must not repeat from the
// entries, so that a Start with the History of a run whose sandbox was lost at any moment continues
// it: an Action with an ActionResult is never carried out again. A Turn with nothing to do returns
// the Outcome that the conversation already has and changes nothing.
//
// What became of the workspace is a Notice with Agent set, at its place in the History: a harness
// tells it to its model, and lets the model act on one that is a warning even where the conversation
// had come to an end.
//
// # Failure
//
// After a Start that returned an error nothing of the agent is left running and Close must not be
// called. An error that is an *api.Failure decides by its code how the run ends; any other is
// agent_process_failed. Turn returns an error only when the run is not the agent's any more: the
// context was cancelled (the error is its cause) or the Sink refused (the Sink's error). Everything
// else that goes wrong is an Outcome. After an error, only Close may be called.
package harness
