package httpapi

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cadrehq/cadre/api"
)

func contract(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestTableIsTheContract: the same operations at the same places, with keys where the contract wants
// them.
func TestTableIsTheContract(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	for path, item := range contract(t).Paths.Map() {
		for method, op := range item.Operations() {
			open := op.Security != nil && len(*op.Security) == 0
			want[op.OperationID] = method + " " + path + map[bool]string{true: " public"}[open]
		}
	}
	got := map[string]string{}
	for _, op := range operations {
		got[op.id] = op.method + " " + op.path + map[bool]string{true: " public"}[op.permission == public]
		if takes := op.method == http.MethodPost || op.method == http.MethodPut || op.method == http.MethodPatch; takes == (op.body == bodyNone) {
			t.Errorf("%s: body size %d with %s", op.id, op.body, op.method)
		}
	}
	if !maps.Equal(got, want) {
		for id := range want {
			if got[id] != want[id] {
				t.Errorf("%s: table %q, contract %q", id, got[id], want[id])
			}
		}
		for id := range got {
			if want[id] == "" {
				t.Errorf("%s is not in the contract", id)
			}
		}
	}
}

// TestBoundsAreTheContracts finds every range that the contract gives to what callers send.
func TestBoundsAreTheContracts(t *testing.T) {
	t.Parallel()
	doc := contract(t)
	seen := map[string]bool{}
	for _, op := range operations {
		item := doc.Paths.Find(op.path).GetOperation(op.method)
		for _, p := range item.Parameters {
			if p.Value.In == openapi3.ParameterInQuery && p.Value.Schema != nil {
				compareBound(t, seen, strings.ToUpper(op.id[:1])+op.id[1:]+"Params."+p.Value.Name, p.Value.Schema.Value)
			}
		}
		if item.RequestBody == nil {
			continue
		}
		for _, media := range item.RequestBody.Value.Content {
			walkSchema(t, seen, media.Schema, map[string]bool{})
		}
	}
	for id := range bounds {
		if !seen[id] {
			t.Errorf("%s is bounded here but not in the contract", id)
		}
	}
}

func walkSchema(t *testing.T, seen map[string]bool, ref *openapi3.SchemaRef, walked map[string]bool) {
	t.Helper()
	if ref == nil || (ref.Ref != "" && walked[ref.Ref]) {
		return
	}
	walked[ref.Ref] = true
	for name, member := range ref.Value.Properties {
		compareBound(t, seen, refName(ref.Ref)+"."+name, member.Value)
		walkSchema(t, seen, member, walked)
	}
	for _, part := range ref.Value.AllOf {
		walkSchema(t, seen, part, walked)
	}
	walkSchema(t, seen, ref.Value.Items, walked)
	walkSchema(t, seen, ref.Value.AdditionalProperties.Schema, walked)
}

func compareBound(t *testing.T, seen map[string]bool, id string, s *openapi3.Schema) {
	t.Helper()
	// Streams and blobs are read by hand: their handlers check these themselves.
	if slices.Contains([]string{"StreamRunParams.after", "StreamEventsParams.since", "RunnerPutBlobParams.name"}, id) {
		return
	}
	upper := s.Max != nil || s.MaxItems != nil || s.MaxProps != nil || s.MaxLength != nil
	if s.Min == nil && !upper {
		return
	}
	seen[id] = true
	got, ok := bounds[id]
	if !ok {
		t.Errorf("%s is bounded in the contract but not here", id)
		return
	}
	want := bound{max: 1 << 62}
	switch {
	case s.MaxItems != nil:
		want.max = int64(*s.MaxItems)
	case s.MaxProps != nil:
		want.max = int64(*s.MaxProps)
	case s.MaxLength != nil:
		want.max = int64(*s.MaxLength)
	case s.Max != nil:
		want.max = int64(*s.Max)
	}
	if s.Min != nil {
		want.min = int64(*s.Min)
	}
	if got != want {
		t.Errorf("%s: %+v here, %+v in the contract", id, got, want)
	}
}

// TestEveryBodyTypeIsKnown: an operation whose body is decoded can name the field that does not fit.
func TestEveryBodyTypeIsKnown(t *testing.T) {
	t.Parallel()
	doc := contract(t)
	for _, op := range operations {
		item := doc.Paths.Find(op.path).GetOperation(op.method)
		decoded := item.RequestBody != nil && op.body != bodyStream
		if _, ok := bodyTypes[op.id]; ok != decoded {
			t.Errorf("%s: in bodyTypes %v, want %v", op.id, ok, decoded)
		}
	}
}

// TestRequiredFollowsTheContract: that a member has no "omitempty" means that the contract requires
// it.
func TestRequiredFollowsTheContract(t *testing.T) {
	t.Parallel()
	doc := contract(t)
	for _, v := range []any{
		api.RunAgentRequest{}, api.LocalRunRequest{}, api.AttachmentInput{}, api.EnvironmentRequest{}, api.GitHubRepo{},
		api.SourceRepo{}, api.SecretRef{}, api.MemoryStoreRef{}, api.RunnerAppendRequest{}, api.NewEntry{}, api.RunnerReport{},
		api.RunnerDeltasRequest{}, api.Delta{}, api.AnswerRequest{}, api.RunFollowupRequest{}, api.MCPServerConfig{},
	} {
		typ := reflect.TypeOf(v)
		schema := doc.Components.Schemas[typ.Name()].Value
		for i := range typ.NumField() {
			f := typ.Field(i)
			if want := slices.Contains(schema.Required, jsonName(f)); required(f) != want {
				t.Errorf("%s.%s: required %v, contract says %v", typ.Name(), jsonName(f), required(f), want)
			}
		}
	}
}

func TestTraceIDIsTakenOnlyIfItIsOne(t *testing.T) {
	t.Parallel()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	if got := traceID("00-" + strings.ToUpper(id) + "-00f067aa0ba902b7-01"); got != id {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"", "x", "00-" + strings.Repeat("0", 32) + "-a-01", "00-" + strings.Repeat("z", 32) + "-a-01", "00-short-a-01"} {
		if got := traceID(bad); len(got) != 32 || strings.Contains(bad, got) {
			t.Errorf("%q: got %s", bad, got)
		}
	}
}
