package store

import (
	"encoding/base64"
	"encoding/json"

	"github.com/cadrehq/cadre/api"
)

// maxCursor bounds the text of a cursor; the longest honest one carries a title.
const maxCursor = 16 << 10

// cursor is the place after the last run of a page: its sort key and its id. It says which sort it
// belongs to, since in another it would mean another place.
type cursor struct {
	Sort      api.RunSort `json:"s"`
	Ascending bool        `json:"a,omitempty"`
	Time      int64       `json:"t,omitempty"` // key of the time sorts, in microseconds
	Text      string      `json:"k,omitempty"` // key of the text sorts
	ID        string      `json:"i"`
}

// nextCursor is the place after an item. It keeps the item's key as it was found: a run that has moved
// since does not move the place.
func nextCursor(i item, sort api.RunSort, ascending bool) cursor {
	c := cursor{Sort: sort, Ascending: ascending, ID: i.id}
	switch key := i.key.(type) {
	case int64:
		c.Time = key
	case string:
		c.Text = key
	}
	return c
}

// key is the value of the sort's column at the cursor.
func (c cursor) key() any {
	if c.Sort == api.RunSortTitle || c.Sort == api.RunSortAgent {
		return c.Text
	}
	return c.Time
}

func (c cursor) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor reads a cursor given out for the same sort; nil for none.
func parseCursor(text string, sort api.RunSort, ascending bool) (*cursor, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxCursor {
		return nil, api.Invalid("cursor", "is too long")
	}
	var c cursor
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || c.ID == "" {
		return nil, api.Invalid("cursor", "was not given out by this server")
	}
	if c.Sort != sort || c.Ascending != ascending {
		return nil, api.Invalid("cursor", "belongs to another sort_by or sort_order")
	}
	return &c, nil
}
