package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// validate is the strict handler's middleware that checks what decoding does not: unknown enum
// values, absent required members, text no database can hold, numbers and counts out of range.
func (a *API) validate(next api.StrictHandlerFunc, _ string) api.StrictHandlerFunc {
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		// What a sandbox says is mended by the service, not refused: see readBody.
		c := checker{anyText: actorOf(ctx).Kind == identity.KindRun}
		v := reflect.ValueOf(request)
		if params := v.FieldByName("Params"); params.IsValid() {
			if err := c.check(params, ""); err != nil {
				return nil, err
			}
		}
		if body := v.FieldByName("Body"); body.IsValid() && !body.IsNil() {
			if err := c.check(body.Elem(), ""); err != nil {
				return nil, err
			}
		}
		return next(ctx, w, r, request)
	}
}

// checker walks a decoded request.
type checker struct {
	anyText bool // do not look at text
}

// enum is what every generated enumeration has.
type enum interface{ Valid() bool }

// bound is an inclusive range of a number, or of the count of a list or map.
type bound struct{ min, max int64 }

// bounds are the ranges openapi.yaml gives to request members, by type and JSON name. (A test
// compares them with the file.)
var bounds = map[string]bound{
	"ListRunsParams.limit":                                     {1, 500},
	"ListRunsParams.metadata":                                  {0, 5},
	"ListEntriesParams.limit":                                  {1, 1000},
	"ListEntriesParams.after":                                  {0, 1 << 62},
	"RunnerAppendRequest.first_index":                          {0, 1 << 62},
	"RunnerAppendRequest.snapshot_seq":                         {0, 1 << 62},
	"RunnerEndRequest.snapshot_seq":                            {0, 1 << 62},
	"RunAgentRequest.attachments":                              {0, 25},
	"RunAgentRequest.metadata":                                 {0, 20},
	"AmbientAgentConfig.idle_timeout_minutes":                  {0, 60},
	"CloudEnvironmentConfig.failure_session_retention_minutes": {1, 60},
	"CloudEnvironmentConfig.description":                       {0, 240},
}

// mayBeEmpty are required strings whose presence is enough.
var mayBeEmpty = map[string]bool{
	"Delta.text": true,
}

// check walks a decoded value and returns an invalid_request failure naming the first member that is
// wrong.
func (c checker) check(v reflect.Value, path string) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return c.check(v.Elem(), path)
	case reflect.Struct:
		return c.object(v, path)
	case reflect.Slice:
		return c.slice(v, path)
	case reflect.Map:
		for _, key := range v.MapKeys() {
			at := join(path, key.String())
			if err := c.text(key.String(), path); err != nil {
				return err
			}
			if err := c.check(v.MapIndex(key), at); err != nil {
				return err
			}
		}
	case reflect.String:
		if e, ok := v.Interface().(enum); ok && v.Len() > 0 && !e.Valid() {
			return api.Invalid(path, "%.64q is not one of the values known here", v.String())
		}
		return c.text(v.String(), path)
	}
	return nil
}

func (c checker) slice(v reflect.Value, path string) error {
	switch v.Type().Elem().Kind() {
	case reflect.Uint8: // bytes and raw JSON
		return nil
	default:
		for i := range v.Len() {
			item, at := v.Index(i), fmt.Sprintf("%s[%d]", path, i)
			if e, ok := item.Interface().(enum); ok && !e.Valid() {
				return api.Invalid(path, "%.64q is not one of the values known here", item.String())
			}
			if err := c.check(item, at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c checker) object(v reflect.Value, path string) error {
	t := v.Type()
	if t.PkgPath() == "time" {
		return nil
	}
	for i := range t.NumField() {
		f, value := t.Field(i), v.Field(i)
		name := jsonName(f)
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		at, id := join(path, name), t.Name()+"."+name
		if required(f) && empty(value) && !mayBeEmpty[id] && !hasURL(v) {
			return api.Invalid(at, "is required")
		}
		if err := checkBound(id, value, at); err != nil {
			return err
		}
		// An absent optional object is not looked into: its required members are not required.
		if value.Kind() == reflect.Struct && !required(f) && value.IsZero() {
			continue
		}
		if err := c.check(value, at); err != nil {
			return err
		}
	}
	return nil
}

// hasURL reports whether v is a repository with a URL of its own, which needs no owner or name.
func hasURL(v reflect.Value) bool {
	repo, ok := v.Interface().(api.SourceRepo)
	return ok && repo.Url != ""
}

// required reports whether openapi.yaml requires a member: the generator leaves "omitempty" out.
func required(f reflect.StructField) bool {
	return f.Tag.Get("json") != "" && !strings.Contains(f.Tag.Get("json"), "omitempty")
}

func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return v.Len() == 0
	case reflect.Slice:
		return v.IsNil() || v.Type() == reflect.TypeFor[json.RawMessage]() && string(v.Bytes()) == "null"
	case reflect.Map, reflect.Pointer:
		return v.IsNil()
	}
	return false
}

func checkBound(id string, v reflect.Value, path string) error {
	b, ok := bounds[id]
	if !ok {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		if n := v.Int(); n < b.min || n > b.max {
			return api.Invalid(path, "must be from %d to %d, not %d", b.min, b.max, n)
		}
	case reflect.String:
		if n := utf8.RuneCountInString(v.String()); int64(n) > b.max {
			return api.Invalid(path, "must be at most %d characters long", b.max)
		}
	default:
		if n := v.Len(); int64(n) > b.max {
			return api.Invalid(path, "must have at most %d members, not %d", b.max, n)
		}
	}
	return nil
}

// text refuses what PostgreSQL cannot store. Invalid UTF-8 in a body was refused before; query
// parameters arrive here unchecked.
func (c checker) text(s, path string) error {
	if c.anyText {
		return nil
	}
	if strings.IndexByte(s, 0) >= 0 {
		return api.Invalid(path, "contains a NUL character")
	}
	if !utf8.ValidString(s) {
		return api.Invalid(path, "is not valid UTF-8")
	}
	return nil
}
