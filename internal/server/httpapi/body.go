package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
)

// bodySize names the bound on an operation's request body: see Limits.
type bodySize int

const (
	bodyNone   bodySize = iota // ignored
	bodySmall                  // Limits.Body
	bodyLarge                  // Limits.CreateBody: prompts with attachments
	bodyBatch                  // Limits.BatchBody: entries
	bodyStream                 // read by the handler itself, bounded there
)

const (
	// bodyWait is how long a caller may take to send a JSON body.
	bodyWait = 60 * time.Second
	// unreadWait is how long net/http, which takes in a small body before it answers so that the
	// connection can serve again, may wait for one that nobody reads: that of a refused caller.
	unreadWait = 2 * time.Second
)

// boundUnread ends the wait for a request's body unless whoever reads it takes more time for itself.
func boundUnread(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil && r.Body != http.NoBody {
		// A connection that knows no deadlines (in tests) is read without.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unreadWait))
	}
}

func (l Limits) of(size bodySize) int64 {
	switch size {
	case bodyLarge:
		return l.CreateBody
	case bodyBatch:
		return l.BatchBody
	}
	return l.Body
}

// readBody reads an operation's JSON body, bounded, before the generated code decodes it. An absent
// body counts as an empty object: action endpoints are called with none, `null` or `{}`.
func (a *API) readBody(op operation, next http.HandlerFunc) http.HandlerFunc {
	if op.body == bodyNone || op.body == bodyStream {
		return next
	}
	limit := a.cfg.Limits.of(op.body)
	return func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		// A connection that knows no deadlines (in tests) is read without.
		_ = control.SetReadDeadline(time.Now().Add(bodyWait))
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		_ = control.SetReadDeadline(time.Time{})
		if err == nil {
			if op.reach == execution {
				// A batch that is refused comes again for ever: what an agent printed is mended.
				b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
			}
			b, err = checkJSON(r.Header.Get("Content-Type"), b)
		}
		if err != nil {
			a.fail(w, r, bodyFailure(err, limit))
			return
		}
		stateOf(r.Context()).body = b
		r.Body = io.NopCloser(bytes.NewReader(b))
		next(w, r)
	}
}

func checkJSON(contentType string, b []byte) ([]byte, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return []byte("{}"), nil
	}
	if contentType != "" {
		kind, _, err := mime.ParseMediaType(contentType)
		if err != nil || (kind != "application/json" && !strings.HasSuffix(kind, "+json")) {
			f := api.Invalid("Content-Type", "must be application/json, not %.100q", contentType)
			f.Status = http.StatusUnsupportedMediaType
			return nil, f
		}
	}
	if !utf8.Valid(b) {
		return nil, api.Invalid("body", "is not valid UTF-8")
	}
	if !json.Valid(b) {
		return nil, syntaxFailure(b)
	}
	return b, nil
}

// syntaxFailure says where JSON breaks. It decodes again: only malformed bodies pay for that.
func syntaxFailure(b []byte) error {
	var v json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal(b, &v); errors.As(err, &syntax) {
		return api.Invalid("body", "is not valid JSON at byte %d: %s", syntax.Offset, syntax.Error())
	}
	return api.Invalid("body", "is not valid JSON")
}

// bodyFailure makes a caller's fault of what went wrong while reading their body.
func bodyFailure(err error, limit int64) error {
	var tooLarge *http.MaxBytesError
	var f *api.Failure
	switch {
	case errors.As(err, &f):
		return err
	case errors.As(err, &tooLarge):
		f = api.Invalid("body", "is larger than %d bytes", limit)
		f.Status = http.StatusRequestEntityTooLarge
		return f
	}
	// The connection broke or the client was too slow: whoever still listens should try again.
	f = api.Invalid("body", "could not be read")
	f.Status, f.Err = http.StatusRequestTimeout, err
	retryable := true
	f.Retryable = &retryable
	return f
}
