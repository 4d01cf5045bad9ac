// Package signin owns how people come in: the pages for password, one-time link, invitation and
// providers (OpenID Connect), and the device flow by which a command line asks a signed-in person for a
// key. It decides nothing about accounts, which package identity does, and serves no API: what is here
// is for browsers, without script, and for the few forms of RFC 8628 and 7009.
//
// Every page that changes something is a form of this server's own (see package cookie), and every
// secret in an address works once.
package signin
