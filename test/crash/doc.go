// Package crash holds the tests that kill real processes with SIGKILL (server, worker, runner, all)
// at every point internal/fault names and at random, and then look for anything lost, stuck,
// repeated or out of order. The program under test is built with the build tag "faults".
package crash
