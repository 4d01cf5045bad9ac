package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cadrehq/cadre/api"
)

// reference is testdata/reference.json: what the clients of the reference API know of it.
type reference struct {
	BasePath  string `json:"base_path"`
	PageLimit struct {
		Min, Max, Default float64
	} `json:"page_limit"`
	RunStates struct {
		All, Working, Terminal []api.RunState
	} `json:"run_states"`
	ErrorCodes []errorFact     `json:"error_codes"`
	Endpoints  []endpoint      `json:"endpoints"`
	Schemas    map[string]fact `json:"schemas"`
}

type errorFact struct {
	Code      api.PlatformErrorCode `json:"code"`
	Status    any                   `json:"http_status"` // a number, or several
	Retryable bool                  `json:"retryable"`
	RunState  api.RunState          `json:"run_state"`
	Extra     []string              `json:"extension_fields"`
}

type endpoint struct {
	Method    string            `json:"method"`
	Path      string            `json:"path"`
	Auth      string            `json:"auth"` // bearer, none, optional, or ambient: that of a sandbox
	Query     []parameter       `json:"query"`
	Request   *fact             `json:"request"`
	Responses map[string]answer `json:"responses"`
}

type parameter struct {
	Name     string `json:"name"`
	Encoding string `json:"encoding"`
	fact
}

type answer struct {
	ContentType string `json:"content_type"`
	Schema      *fact  `json:"schema"`
}

// fact is what is known of a value: a schema, a member of one, or a reference to one.
type fact struct {
	Ref           string          `json:"$ref"`
	Type          string          `json:"type"`
	Format        string          `json:"format"`
	Enum          []string        `json:"enum"`
	Nullable      bool            `json:"nullable"`
	Required      bool            `json:"required"`
	Items         *fact           `json:"items"`
	Additional    json.RawMessage `json:"additionalProperties"` // true, or a fact
	OneOf         []fact          `json:"oneOf"`
	Discriminator string          `json:"discriminator"`
	Fields        map[string]fact `json:"fields"`
	Minimum       *float64        `json:"minimum"`
	Maximum       *float64        `json:"maximum"`
	MinItems      uint64          `json:"minItems"`
	MaxItems      *uint64         `json:"maxItems"`
	MaxLength     *uint64         `json:"maxLength"`
	MaxProperties *uint64         `json:"maxProperties"`
	Pattern       string          `json:"pattern"`
	Default       any             `json:"default"`
}

func loadReference(t *testing.T) reference {
	t.Helper()
	b, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAgainstTheReference holds openapi.yaml against what the clients of the reference API know, member
// by member. Whatever differs must stand in the table of deviations with its reason, and whatever stands
// there must differ.
func TestAgainstTheReference(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	ref := loadReference(t)
	c := &comparison{facts: ref.Schemas, found: map[string]string{}, walked: map[string]bool{}, seen: map[string]bool{}}
	ours := map[string]*openapi3.PathItem{}
	for path, item := range doc.Paths.Map() {
		ours[bare(path)] = item
	}
	for _, e := range ref.Endpoints {
		id := e.Method + " " + e.Path
		var op *openapi3.Operation
		if item := ours[bare(e.Path)]; item != nil {
			op = item.GetOperation(e.Method)
		}
		if op == nil {
			c.differ(id, "missing", "no such operation")
			continue
		}
		c.endpoint(id, e, ours[bare(e.Path)], op)
	}
	for _, key := range slices.Sorted(maps.Keys(c.found)) {
		if deviations[key] == "" {
			t.Errorf("%s: %s; mend it, or say why in the table of deviations", key, c.found[key])
		}
	}
	for key := range deviations {
		if c.found[key] == "" {
			t.Errorf("%s is as the reference has it: take it out of the table of deviations", key)
		}
	}
	for name := range ref.Schemas {
		if !c.seen[name] && !c.hasMissing() {
			t.Errorf("%s was compared with nothing", name)
		}
	}
}

var inBraces = regexp.MustCompile(`\{[^}]*\}`)

// bare is a path without the names of its parameters.
func bare(path string) string { return inBraces.ReplaceAllString(path, "{}") }

// endpoint compares one operation.
func (c *comparison) endpoint(id string, e endpoint, item *openapi3.PathItem, op *openapi3.Operation) {
	open := op.Security != nil && len(*op.Security) == 0
	if open != (e.Auth == "none" || e.Auth == "optional") {
		c.differ(id, "auth", fmt.Sprintf("is %q there, and open here: %v", e.Auth, open))
	}
	for _, p := range e.Query {
		c.parameter(id, p, slices.Concat(item.Parameters, op.Parameters))
	}
	for _, p := range op.Parameters {
		known := slices.ContainsFunc(e.Query, func(q parameter) bool { return q.Name == p.Value.Name })
		if p.Value.Required && !known {
			c.differ(id, p.Value.Name, "demanded here and not known there")
		}
	}
	if e.Request != nil {
		if op.RequestBody == nil || op.RequestBody.Value.Content.Get("application/json") == nil {
			c.differ(id, "request", "takes no JSON body")
		} else {
			c.value(id+" request", *e.Request, op.RequestBody.Value.Content.Get("application/json").Schema, toServer)
		}
	} else if op.RequestBody != nil && op.RequestBody.Value.Required {
		c.differ(id, "request", "demands a body")
	}
	for status, want := range e.Responses {
		c.answer(id, status, want, op)
	}
}

func (c *comparison) parameter(id string, want parameter, have openapi3.Parameters) {
	p := have.GetByInAndName(openapi3.ParameterInQuery, want.Name)
	if p == nil {
		c.differ(id, want.Name, "no such query parameter")
		return
	}
	if p.Required && !want.Required {
		c.differ(id, want.Name+" required", "only here")
	}
	exploded := p.Explode == nil || *p.Explode
	switch {
	case want.Encoding == "repeat" && !exploded:
		c.differ(id, want.Name+" encoding", "is not repeated")
	case want.Encoding == "brackets" && p.Style != openapi3.SerializationDeepObject:
		c.differ(id, want.Name+" encoding", "is not in brackets")
	}
	c.value(id+" "+want.Name, want.fact, p.Schema, toServer)
}

func (c *comparison) answer(id, status string, want answer, op *openapi3.Operation) {
	got := op.Responses.Value(status)
	failed := status >= "400"
	if got == nil && failed {
		got = op.Responses.Default()
	}
	if got == nil {
		c.differ(id, status, "no such answer")
		return
	}
	if want.ContentType == "" {
		return // the clients ignore what comes, or follow a Location
	}
	media := got.Value.Content[want.ContentType]
	switch {
	case media == nil:
		c.differ(id, status, "is not "+want.ContentType)
	case failed:
		c.value(id+" "+status, fact{Ref: "Error"}, media.Schema, toClient)
	case want.Schema != nil && want.ContentType != "text/event-stream": // whose events are text to OpenAPI
		c.value(id+" "+status, *want.Schema, media.Schema, toClient)
	}
}

// TestErrorCodesOfTheReference: the table of codes has theirs, with the same status and meaning.
func TestErrorCodesOfTheReference(t *testing.T) {
	t.Parallel()
	members := map[string]bool{}
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	for name := range doc.Components.Schemas["Error"].Value.Properties {
		members[name] = true
	}
	for _, want := range loadReference(t).ErrorCodes {
		got := api.LookupCode(want.Code)
		if !slices.ContainsFunc(api.Codes, func(c api.Code) bool { return c.Name == want.Code }) {
			t.Errorf("%s is not in the table", want.Code)
		}
		statuses, several := want.Status.([]any)
		if !several {
			statuses = []any{want.Status}
		}
		if !slices.Contains(statuses, any(float64(got.Status))) || got.Retryable != want.Retryable {
			t.Errorf("%s: %d, retryable %v; want %v, %v", want.Code, got.Status, got.Retryable, statuses, want.Retryable)
		}
		if fault := map[bool]api.Fault{true: api.FaultUser, false: api.FaultPlatform}[want.RunState == api.RunStateFAILED]; got.Fault != fault {
			t.Errorf("%s is %s's fault, want %s", want.Code, got.Fault, fault)
		}
		for _, name := range want.Extra {
			if !members[name] {
				t.Errorf("%s: Error has no %s", want.Code, name)
			}
		}
	}
}

// TestStatesOfTheReference: the same states, the same of them at work, pages of the same sizes.
func TestStatesOfTheReference(t *testing.T) {
	t.Parallel()
	ref := loadReference(t)
	sorted := func(s []api.RunState) []api.RunState { return slices.Sorted(slices.Values(s)) }
	if got, want := sorted(api.AllRunStates), sorted(ref.RunStates.All); !slices.Equal(got, want) {
		t.Errorf("states %v, want %v", got, want)
	}
	for _, s := range api.AllRunStates {
		if s.Working() != slices.Contains(ref.RunStates.Working, s) {
			t.Errorf("%s: working %v", s, s.Working())
		}
		// BLOCKED is an end for clients that poll; here it can still be answered.
		if ended := s.Ended() || s == api.RunStateBLOCKED; ended != slices.Contains(ref.RunStates.Terminal, s) {
			t.Errorf("%s: ended %v", s, ended)
		}
	}
	if ref.BasePath != api.BasePath {
		t.Errorf("base path %s, want %s", api.BasePath, ref.BasePath)
	}
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	limit := doc.Paths.Find("/agent/runs").GetOperation(http.MethodGet).Parameters.GetByInAndName("query", "limit").Schema.Value
	if *limit.Min != ref.PageLimit.Min || *limit.Max != ref.PageLimit.Max || limit.Default != ref.PageLimit.Default {
		t.Errorf("pages of %v to %v, %v", *limit.Min, *limit.Max, limit.Default)
	}
}
