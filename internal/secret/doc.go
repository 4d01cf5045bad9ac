// Package secret owns what must not be readable where it is stored: sealing and opening it, the secrets
// of teams and people, and which of them a run gets. It refuses to show a value to anybody but the
// runner of the run that gets it, and knows nothing of how runners use them.
//
// Everything is sealed by a data key of its owner, and data keys by a master key that the database never
// sees. What is sealed is bound to its owner and name: moved to another row it does not open. To change
// the master key means to seal the data keys anew, which are few; values stay as they are.
package secret
