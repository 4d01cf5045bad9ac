package wire

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/cadrehq/cadre/api"
)

// Error is a refusal in a form every wire can express.
type Error struct {
	Status  int
	Code    string // machine-readable detail, such as an api.PlatformErrorCode; may be empty
	Message string
}

// StatusOverloaded is Anthropic's status for a vendor that has no capacity left.
const StatusOverloaded = 529

// kinds are the vendors' names for what went wrong, by status: Anthropic's, then OpenAI's.
var kinds = map[int][2]string{
	http.StatusBadRequest:            {"invalid_request_error", "invalid_request_error"},
	http.StatusUnauthorized:          {"authentication_error", "authentication_error"},
	http.StatusForbidden:             {"permission_error", "permission_error"},
	http.StatusNotFound:              {"not_found_error", "invalid_request_error"},
	http.StatusMethodNotAllowed:      {"invalid_request_error", "invalid_request_error"},
	http.StatusRequestTimeout:        {"timeout_error", "invalid_request_error"},
	http.StatusConflict:              {"invalid_request_error", "invalid_request_error"},
	http.StatusRequestEntityTooLarge: {"request_too_large", "invalid_request_error"},
	http.StatusUnsupportedMediaType:  {"invalid_request_error", "invalid_request_error"},
	http.StatusTooManyRequests:       {"rate_limit_error", "rate_limit_error"},
	http.StatusGatewayTimeout:        {"timeout_error", "server_error"},
	StatusOverloaded:                 {"overloaded_error", "server_error"},
}

func kind(w api.ModelWire, status int) string {
	k, ok := kinds[status]
	if !ok {
		k = [2]string{"api_error", "server_error"}
	}
	if w == api.ModelWireAnthropicMessages {
		return k[0]
	}
	return k[1]
}

// Body is the JSON document the vendor of the wire would answer.
func (e Error) Body(w api.ModelWire) []byte {
	if w == api.ModelWireAnthropicMessages {
		return encode(map[string]any{
			"type":  "error",
			"error": map[string]any{"type": kind(w, e.Status), "message": e.Message, "code": orNil(e.Code)},
		})
	}
	return encode(map[string]any{"error": map[string]any{
		"message": e.Message, "type": kind(w, e.Status), "param": nil, "code": orNil(e.Code),
	}})
}

// Event is the error as the last event of a stream that has already begun.
func (e Error) Event(w api.ModelWire) []byte {
	switch w {
	case api.ModelWireAnthropicMessages:
		return Frame("error", e.Body(w))
	case api.ModelWireOpenaiResponses:
		code := e.Code
		if code == "" {
			code = kind(w, e.Status)
		}
		return Frame("error", encode(map[string]any{
			"type": "error", "code": code, "message": e.Message, "param": nil, "sequence_number": 0,
		}))
	default:
		return Frame("", e.Body(w))
	}
}

// Write answers a request with the error.
func (e Error) Write(rw http.ResponseWriter, w api.ModelWire) {
	body := e.Body(w)
	h := rw.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	rw.WriteHeader(e.Status)
	_, _ = rw.Write(body) // the caller is gone if this fails; there is nobody to tell
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// encode marshals what is known to be marshalable, without escaping HTML.
func encode(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // strings, numbers and maps of them cannot fail
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
