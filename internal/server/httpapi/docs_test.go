package httpapi

import (
	"encoding/json"
	"testing"

	"github.com/cadrehq/cadre/api"
)

// TestContractIsExplained holds every operation, parameter, schema and member of the contract to a
// description, and every JSON body to an example.
func TestContractIsExplained(t *testing.T) {
	t.Parallel()
	s, err := parseSpec()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Paths {
		for _, op := range []*specOperation{p.Value.Get, p.Value.Post, p.Value.Put, p.Value.Delete} {
			if op != nil {
				checkExplained(t, s, *op, p.Value.Parameters)
			}
		}
	}
	for _, schema := range s.Components.Schemas {
		if schema.Value.Description == "" {
			t.Errorf("schema %s has no description", schema.Key)
		}
		for _, m := range schema.Value.Properties {
			if m.Value.Description == "" && s.schema(m.Value).Description == "" {
				t.Errorf("member %s.%s has no description", schema.Key, m.Key)
			}
		}
	}
}

func checkExplained(t *testing.T, s *spec, op specOperation, shared []specParameter) {
	t.Helper()
	if op.Summary == "" || op.Description == "" {
		t.Errorf("operation %s lacks a summary or description", op.ID)
	}
	for _, p := range append(shared, op.Parameters...) {
		if p = s.parameter(p); p.Description == "" {
			t.Errorf("parameter %s of %s has no description", p.Name, op.ID)
		}
	}
	if media, example := s.example(op); media == "application/json" {
		var v map[string]any
		if err := json.Unmarshal([]byte(example), &v); err != nil || len(v) == 0 {
			t.Errorf("operation %s has no example of its body: %q (%v)", op.ID, example, err)
		}
	}
}

func TestErrorCodesAreExplained(t *testing.T) {
	t.Parallel()
	for _, c := range api.Codes {
		if e := explained(c); e.When == "" || e.Then == "" {
			t.Errorf("no page for %s", c.Name)
		}
	}
	if len(errorHelp) != len(api.Codes) {
		t.Errorf("%d codes, %d explained", len(api.Codes), len(errorHelp))
	}
}
