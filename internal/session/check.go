package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
)

// Limits bound what a runner may append. Larger payloads go to blobs.
type Limits struct {
	// EntryBytes bounds the JSON of one entry's data. Default 256 KiB.
	EntryBytes int
	// BatchEntries bounds the entries of one call. Default 256.
	BatchEntries int
}

// WithDefaults fills what is zero.
func (l Limits) WithDefaults() Limits {
	if l.EntryBytes <= 0 {
		l.EntryBytes = 256 << 10
	}
	if l.BatchEntries <= 0 {
		l.BatchEntries = 256
	}
	return l
}

// ofServer are the types only the server writes.
var ofServer = []api.EntryType{api.EntryTypeState, api.EntryTypeAnswer, api.EntryTypeExecution}

// Check makes an entry from a sandbox fit to be stored: one bounded JSON object of the shape its
// type has, valid UTF-8, no NUL, without needless white space. A time that is missing or in the
// future becomes now. field names the entry in the error of one that cannot be stored.
func (l Limits) Check(field string, e api.NewEntry, now time.Time) (api.NewEntry, api.EntryData, error) {
	if slices.Contains(ofServer, e.Type) {
		return e, nil, api.Invalid(field+".type", "%q entries are written by the server only", e.Type)
	}
	if len(e.Data) > l.EntryBytes {
		return e, nil, api.Invalid(field+".data", "must be at most %d bytes, is %d: store it as a blob", l.EntryBytes, len(e.Data))
	}
	data, err := clean(e.Data)
	if err != nil {
		return e, nil, api.Invalid(field+".data", "must be a JSON object")
	}
	if len(data) > l.EntryBytes {
		return e, nil, api.Invalid(field+".data", "must be at most %d bytes as valid UTF-8", l.EntryBytes)
	}
	decoded, err := api.DecodeEntry(e.Type, data)
	if err != nil {
		return e, nil, misshapen(field, e.Type, err)
	}
	e.Data = data
	if e.CreatedAt.Year() < 1970 || e.CreatedAt.After(now) {
		e.CreatedAt = now
	}
	e.CreatedAt = e.CreatedAt.UTC().Truncate(time.Microsecond)
	return e, decoded, nil
}

// misshapen names the member that does not have the type it has in entries of a type.
func misshapen(field string, t api.EntryType, err error) error {
	var mistyped *json.UnmarshalTypeError
	if errors.As(err, &mistyped) && mistyped.Field != "" {
		return api.Invalid(field+".data."+mistyped.Field, "is not what an entry of type %q has there", t)
	}
	return api.Invalid(field, "is no entry of type %q", t)
}

// clean returns the JSON object compacted, with what no reader can show replaced by U+FFFD and what is
// nested too deeply for some by a word about it.
func clean(data json.RawMessage) (json.RawMessage, error) {
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	}
	var b bytes.Buffer
	b.Grow(len(data))
	if err := json.Compact(&b, data); err != nil {
		return nil, err
	}
	if b.Len() == 0 || b.Bytes()[0] != '{' {
		return nil, &json.UnmarshalTypeError{Value: "value that is no object"}
	}
	if !hasBadEscape(b.Bytes()) && !tooDeep(b.Bytes()) {
		return b.Bytes(), nil
	}
	return reencode(b.Bytes())
}

// hasBadEscape reports whether a string may hold an escaped NUL or half of a surrogate pair. It may
// be wrong in the safe direction: whole pairs are found too.
func hasBadEscape(data []byte) bool {
	for rest := data; ; {
		i := bytes.Index(rest, []byte(`\u`))
		if i < 0 || len(rest) < i+6 {
			return false
		}
		hex := bytes.ToLower(rest[i+2 : i+6])
		if bytes.Equal(hex, []byte("0000")) || (hex[0] == 'd' && hex[1] >= '8') {
			return true
		}
		rest = rest[i+2:]
	}
}

// maxDepth bounds the nesting of an entry's data: common JSON readers give up at a few hundred levels,
// and one entry must not make a whole session unreadable for them.
const maxDepth = 100

// cutOff stands for what was nested too deeply.
const cutOff = "[nested too deeply]"

// tooDeep reports whether valid JSON is nested deeper than maxDepth.
func tooDeep(data []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// reencode decodes and encodes again: the decoder replaces half pairs; NULs and what is nested too
// deeply are replaced here.
func reencode(data []byte) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(readable(v, 1)); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// readable mends a value at a depth of nesting.
func readable(v any, depth int) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "\x00", "\uFFFD")
	case []any:
		if depth > maxDepth {
			return cutOff
		}
		for i := range v {
			v[i] = readable(v[i], depth+1)
		}
	case map[string]any:
		if depth > maxDepth {
			return cutOff
		}
		clean := make(map[string]any, len(v))
		for k, e := range v {
			clean[strings.ReplaceAll(k, "\x00", "\uFFFD")] = readable(e, depth+1)
		}
		return clean
	}
	return v
}
