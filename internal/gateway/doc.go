// Package gateway owns calls to models. It exposes the vendors' own protocols under the server's
// URL, so that a harness in a sandbox needs no vendor key: it authenticates with its run token, the
// gateway checks that the run may still spend, picks the provider, adds the key, streams the answer
// through and writes what the vendor says it consumed into the ledger.
//
// It refuses to translate between protocols: what a caller sends reaches the vendor unchanged but
// for the model's name and the wish for usage figures, and what the vendor answers reaches the
// caller unchanged but for secrets.
//
// # A call
//
// A call is retried, with jittered exponential backoff, until its first byte has been passed on;
// after that an upstream that breaks or stalls ends the stream with an error in the vendor's own
// shape. Only whole events are passed on, so that error is always well-formed. The ledger is
// written before the last event leaves, so a caller that saw the end of an answer can rely on its
// being recorded; a call that is cut short is recorded with what was known by then.
package gateway
