// Package view shows a session to a person at a terminal: entries as they are stored and fragments
// as they are produced.
//
// It owns how each entry reads and what is left out of it for brevity. Everything it is given is
// cleaned by package term before it is written, for an agent may have written it. It neither fetches
// entries nor decides anything.
package view
