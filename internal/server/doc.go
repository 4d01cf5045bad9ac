// Package server makes the control plane out of its parts and runs it: it opens the stores, fits the
// packages to each other (wire.go), listens, and stops in two steps.
//
// It decides nothing about runs and speaks no HTTP itself: see httpapi. It reads neither flags nor
// the environment: see internal/cli.
package server
