// Package cli is the command line: it owns commands, flags, environment variables, saved settings,
// output and exit codes, and it wires the server, the worker and the runner together.
//
// It is the only package that reads flags and the environment, and it decides nothing about runs:
// what a command does is a call of api/client, server, worker or runner.
//
// # Output
//
// Results go to stdout, everything else to stderr. Four formats: pretty for people, text for plain
// columns, json (the server's answer, unchanged, where there is one) and ndjson. Server content is
// neutralised for terminals by package term before it is printed.
//
// # Exit codes
//
// 0 success, 1 failure while running, 2 a command line that makes no sense. Code 1 comes from the
// table api.Codes for errors the server named.
package cli
