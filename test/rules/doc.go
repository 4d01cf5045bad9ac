// Package rules holds the tests that guard how the code is laid out: who may import whom, what every
// package says of itself, and that documents name only what exists.
package rules
