// Package httpapi serves the HTTP API: it authenticates the caller, checks the operation's
// permission, validates what was sent, asks the service that owns the matter and writes the answer
// in the shape openapi.yaml gives.
//
// It decides nothing about runs, sessions or keys, and keeps nothing. A handler is one step between
// a generated request type and a service; streams and raw bodies, which the generator does not
// cover, are served by hand in stream.go, commands.go and blobs.go. Event streams take their
// connections over from net/http: sse.go and taken.go.
//
// A request passes, in this order: recovery and request id (middleware.go), the route table
// (permissions.go), authentication and permission (auth.go), the bounded body (body.go), decoding
// by the generated code, validation (validate.go), the handler. Every refusal is written by
// problem.go.
package httpapi
