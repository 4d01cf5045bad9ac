// Package crash holds the tests that kill real processes with SIGKILL (server, worker, runner, all)
// at every point internal/fault names and at random, and then look for anything lost, stuck,
// repeated or out of order. The program under test is built with the build tag "faults".
//
// What must hold whatever was killed is in check_test.go. A tap between the sandboxes and the server
// notes every entry the server acknowledged, and a follower reads each session live through all of
// it: both are compared with what is stored at the end.
package crash
