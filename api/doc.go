// Package api is the wire: every shape that crosses a process border, defined once.
//
// It owns ids, run states, session entries, error codes, the worker protocol and the typed client.
// openapi.yaml is the source; api.gen.go is generated from it. The package decides nothing: rules
// about states live in internal/run, about access in internal/identity.
package api

//go:generate ../bin/oapi-codegen -config oapi-codegen.yaml openapi.yaml

import _ "embed"

// OpenAPI is the text of openapi.yaml, as served to clients.
//
//go:embed openapi.yaml
var OpenAPI []byte

// BasePath is the prefix of every path in openapi.yaml.
const BasePath = "/api/v1"
