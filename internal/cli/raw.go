package cli

import (
	"encoding/json"
	"net/http"

	"github.com/cadrehq/cadre/api/client"
)

// rawJSON is a server's answer as it came.
type rawJSON = json.RawMessage

// readRaw reads an answer without decoding it.
func readRaw(rsp *http.Response, err error) (rawJSON, error) { return client.Read[rawJSON](rsp, err) }

// passThrough prints a server's answer unchanged, or what the filter makes of it.
func passThrough(a *app, jq filter) func(rawJSON, error) error {
	return func(raw rawJSON, err error) error {
		if err != nil {
			return err
		}
		if jq.code != nil {
			return a.printFiltered(jq, raw)
		}
		return a.printJSON(raw)
	}
}
