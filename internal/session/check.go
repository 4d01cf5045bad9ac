package session

import (
	"bytes"
	"encoding/json"
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
		return e, nil, api.Invalid(field, "is no entry of type %q: %v", e.Type, err)
	}
	e.Data = data
	if e.CreatedAt.Year() < 1970 || e.CreatedAt.After(now) {
		e.CreatedAt = now
	}
	e.CreatedAt = e.CreatedAt.UTC().Truncate(time.Microsecond)
	return e, decoded, nil
}

// clean returns the JSON object compacted, with what no reader can show replaced by U+FFFD.
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
	if !hasBadEscape(b.Bytes()) {
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

// reencode decodes and encodes again: the decoder replaces half pairs, and NULs are replaced here.
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
	if err := enc.Encode(withoutNUL(v)); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

func withoutNUL(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "\x00", "\uFFFD")
	case []any:
		for i := range v {
			v[i] = withoutNUL(v[i])
		}
	case map[string]any:
		for k, e := range v {
			clean := strings.ReplaceAll(k, "\x00", "\uFFFD")
			if clean != k {
				delete(v, k)
			}
			v[clean] = withoutNUL(e)
		}
	}
	return v
}
