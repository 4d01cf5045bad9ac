// Package issuer owns the tokens by which a run proves to others who it is: short-lived JWTs (ES256) that
// a cloud or any other relying party of OpenID Connect trades for access, so that no key of theirs need be
// stored. It owns the keys these are signed with and their rotation.
//
// A key is published before it signs and stays published until everything it signed has expired. All of
// that follows from what is stored, so that servers of one database agree without talking: which key
// signs at a time is the same question everywhere.
//
// It refuses to decide who may ask: the caller has checked that it is the run itself.
package issuer
