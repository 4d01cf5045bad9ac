// Package web is the console: a React app, built by `make build` into dist and embedded in the program.
// It refuses to know anything but the API, which it calls like any other client.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Dist is the built console: index.html, and what it loads. It has no index.html when the program was
// built without it (go build alone).
func Dist() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // dist is embedded above
	}
	return sub
}
