package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cadrehq/cadre/internal/gateway/wire"
)

// request is what the gateway reads of a caller's request. The vendors take member names literally
// and so must we: a body that names its model twice, or in another case, could be metered as one
// model and served as another.
type request struct {
	body   []byte
	model  string
	stream bool

	modelAt       span
	streamOptions span
	includeUsage  bool
	lastAt        int // where the object's closing brace is
}

// span is a range of the body; its end is 0 when the member is absent.
type span struct{ from, to int }

// parseRequest reads the members the gateway needs, without copying the rest.
func parseRequest(body []byte) (*request, error) {
	if !json.Valid(body) {
		return nil, errors.New("the request body is not valid JSON")
	}
	r := &request{body: body}
	seen := map[string]bool{}
	err := members(body, func(key string, at span) error {
		if lower := strings.ToLower(key); lower == "model" || lower == "stream" || lower == "stream_options" {
			if seen[lower] || lower != key {
				return fmt.Errorf("%s: is given twice or misspelt", lower)
			}
			seen[lower] = true
		}
		raw := body[at.from:at.to]
		switch key {
		case "model":
			r.modelAt = at
			if json.Unmarshal(raw, &r.model) != nil || r.model == "" {
				return errors.New("model: must be the name of a model")
			}
		case "stream":
			if string(raw) != "null" && json.Unmarshal(raw, &r.stream) != nil {
				return errors.New("stream: must be true or false")
			}
		case "stream_options":
			return r.readOptions(raw, at)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if r.model == "" {
		return nil, errors.New("model: is required")
	}
	r.lastAt = bytes.LastIndexByte(body, '}')
	return r, nil
}

func (r *request) readOptions(raw []byte, at span) error {
	r.streamOptions = at
	if string(raw) == "null" {
		return nil
	}
	var opts struct {
		IncludeUsage bool `json:"include_usage"`
	}
	if json.Unmarshal(raw, &opts) != nil {
		return errors.New("stream_options: must be an object")
	}
	r.includeUsage = opts.IncludeUsage
	return nil
}

// outgoing is the body as sent to the vendor: under the vendor's own name of the model and, on the
// chat wire, with the wish for usage figures, without which a stream reports none.
func (r *request) outgoing(c wire.Call, upstreamID string) []byte {
	type edit struct {
		at   span
		text string
	}
	var edits []edit
	if upstreamID != r.model {
		edits = append(edits, edit{r.modelAt, strconv.Quote(upstreamID)})
	}
	if c == wire.CallChat && r.stream && !r.includeUsage {
		if r.streamOptions.to > 0 {
			edits = append(edits, edit{r.streamOptions, withUsage(r.body[r.streamOptions.from:r.streamOptions.to])})
		} else {
			edits = append(edits, edit{span{r.lastAt, r.lastAt}, `,"stream_options":{"include_usage":true}`})
		}
	}
	if len(edits) == 2 && edits[0].at.from > edits[1].at.from {
		edits[0], edits[1] = edits[1], edits[0]
	}
	if len(edits) == 0 {
		return r.body
	}
	out := make([]byte, 0, len(r.body)+128)
	pos := 0
	for _, e := range edits {
		out = append(append(out, r.body[pos:e.at.from]...), e.text...)
		pos = e.at.to
	}
	return append(out, r.body[pos:]...)
}

// withUsage is the caller's stream options with include_usage set.
func withUsage(raw []byte) string {
	opts := map[string]json.RawMessage{}
	_ = json.Unmarshal(raw, &opts) // was read before; null leaves the map empty
	if opts == nil {
		opts = map[string]json.RawMessage{}
	}
	opts["include_usage"] = json.RawMessage("true")
	out, _ := json.Marshal(opts) // raw messages were valid
	return string(out)
}

// members calls f for each member of a JSON object that is known to be valid.
func members(b []byte, f func(key string, value span) error) error {
	i := skipSpace(b, 0)
	if b[i] != '{' {
		return errors.New("the request body is not a JSON object")
	}
	i = skipSpace(b, i+1)
	for b[i] != '}' {
		end := skipValue(b, i)
		var key string
		if err := json.Unmarshal(b[i:end], &key); err != nil {
			return err
		}
		i = skipSpace(b, end) // at the colon
		i = skipSpace(b, i+1) // at the value
		end = skipValue(b, i) // behind it
		if err := f(key, span{i, end}); err != nil {
			return err
		}
		if i = skipSpace(b, end); b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
	return nil
}

func skipSpace(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r' {
		i++
	}
	return i
}

// skipValue returns the end of the value that begins at i.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch b[i] {
			case '"':
				i = skipString(b, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	default:
		for i < len(b) && strings.IndexByte(",}] \t\r\n", b[i]) < 0 {
			i++
		}
		return i
	}
}

func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}
