package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// direction is who sends a value. What clients send must all be taken, so ours may be wider; what they
// are sent must be what they expect, so ours may be narrower.
type direction string

const (
	toServer direction = "request"
	toClient direction = "response"
)

// comparison collects how openapi.yaml differs from the facts.
type comparison struct {
	facts  map[string]fact
	found  map[string]string // "Schema.member aspect" -> what differs
	walked map[string]bool   // pairs of schemas, in a direction
	seen   map[string]bool   // theirs, by name
}

func (c *comparison) differ(where, aspect, how string) { c.found[where+": "+aspect] = how }

// hasMissing reports whether endpoints are missing, whose schemas can then be compared with nothing.
func (c *comparison) hasMissing() bool {
	for key := range c.found {
		if strings.HasSuffix(key, ": missing") && strings.Contains(key, " /") {
			return true
		}
	}
	return false
}

// value compares a schema of ours with what is known, below a name for it.
func (c *comparison) value(where string, want fact, ours *openapi3.SchemaRef, dir direction) {
	nullable, have := want.Nullable, ours.Value
	if len(have.AllOf) == 1 && have.Type == nil { // a reference with something beside it
		ours = have.AllOf[0]
	}
	if want.Ref != "" {
		key := want.Ref + " " + string(dir) + " " + ours.Ref
		where, want = want.Ref, c.facts[want.Ref]
		if c.walked[key] {
			return
		}
		c.walked[key], c.seen[where] = true, true
	}
	if have.Nullable != nullable && (have.Nullable == (dir == toClient)) {
		c.differ(where, "nullable", fmt.Sprintf("%v here", have.Nullable))
	}
	have = ours.Value
	switch {
	case want.Type == "any":
	case len(want.OneOf) > 0:
		c.oneOf(where, want, have, dir)
	case want.Fields != nil:
		c.object(where, want, have, dir)
	default:
		c.scalar(where, want, have, dir)
	}
}

func (c *comparison) oneOf(where string, want fact, have *openapi3.Schema, dir direction) {
	if have.Discriminator == nil || have.Discriminator.PropertyName != want.Discriminator {
		c.differ(where, "discriminator", "is another")
		return
	}
	for _, option := range want.OneOf {
		tag := c.facts[option.Ref].Fields[want.Discriminator].Enum[0]
		i := slices.IndexFunc(have.OneOf, func(s *openapi3.SchemaRef) bool {
			return s.Ref == have.Discriminator.Mapping[tag].Ref
		})
		if i < 0 {
			c.differ(where, tag, "is not one of ours")
			continue
		}
		c.value(where+"."+tag, option, have.OneOf[i], dir)
	}
}

func (c *comparison) object(where string, want fact, have *openapi3.Schema, dir direction) {
	if !have.Type.Is("object") {
		c.differ(where, "type", fmt.Sprintf("%v, not object", have.Type))
		return
	}
	for name, member := range want.Fields {
		ours := have.Properties[name]
		if ours == nil {
			c.differ(where+"."+name, "missing", "no such member")
			continue
		}
		c.value(where+"."+name, member, ours, dir)
		required := slices.Contains(have.Required, name)
		if required != member.Required && required == (dir == toServer) {
			c.differ(where+"."+name, "required", fmt.Sprintf("%v here", required))
		}
	}
	for _, name := range have.Required {
		if _, known := want.Fields[name]; !known && dir == toServer {
			c.differ(where+"."+name, "required", "not known there, demanded here")
		}
	}
}

// scalar compares a value that is no named object: its type, and what bounds it.
func (c *comparison) scalar(where string, want fact, have *openapi3.Schema, dir direction) {
	if !have.Type.Is(want.Type) && !(want.Type == "number" && have.Type.Is("integer") && dir == toClient) {
		c.differ(where, "type", fmt.Sprintf("%v, not %s", have.Type, want.Type))
		return
	}
	if want.Format != "" && want.Format != have.Format {
		c.differ(where, "format", fmt.Sprintf("%q, not %q", have.Format, want.Format))
	}
	c.enum(where, want, have, dir)
	c.bounds(where, want, have)
	if want.Default != nil && fmt.Sprint(want.Default) != fmt.Sprint(have.Default) {
		c.differ(where, "default", fmt.Sprintf("%v, not %v", have.Default, want.Default))
	}
	if want.Items != nil {
		c.value(where+"[]", *want.Items, have.Items, dir)
	}
	var inside fact
	if json.Unmarshal(want.Additional, &inside) == nil && have.Type.Is("object") {
		switch {
		case have.AdditionalProperties.Schema != nil:
			c.value(where+"{}", inside, have.AdditionalProperties.Schema, dir)
		case inside.Type != "any":
			c.differ(where, "members", "of any kind")
		}
	}
}

func (c *comparison) enum(where string, want fact, have *openapi3.Schema, dir direction) {
	ours := []string{}
	for _, v := range have.Enum {
		ours = append(ours, fmt.Sprint(v))
	}
	lacks := func(of, in []string) []string {
		return slices.DeleteFunc(slices.Clone(of), func(v string) bool { return slices.Contains(in, v) })
	}
	switch {
	case len(want.Enum) == 0 && len(ours) > 0 && dir == toServer:
		c.differ(where, "enum", "is open there")
	case len(want.Enum) == 0:
	case dir == toServer && len(ours) > 0 && len(lacks(want.Enum, ours)) > 0:
		c.differ(where, "enum", fmt.Sprintf("lacks %v", lacks(want.Enum, ours)))
	case dir == toClient && (len(ours) == 0 || len(lacks(ours, want.Enum)) > 0):
		c.differ(where, "enum", fmt.Sprintf("adds %v", lacks(ours, want.Enum)))
	}
}

func (c *comparison) bounds(where string, want fact, have *openapi3.Schema) {
	number := func(v *float64) string {
		if v == nil {
			return "none"
		}
		return fmt.Sprint(*v)
	}
	count := func(v *uint64) string {
		if v == nil {
			return "none"
		}
		return fmt.Sprint(*v)
	}
	for _, b := range []struct{ name, want, have string }{
		{"minimum", number(want.Minimum), number(have.Min)},
		{"maximum", number(want.Maximum), number(have.Max)},
		{"minItems", fmt.Sprint(want.MinItems), fmt.Sprint(have.MinItems)},
		{"maxItems", count(want.MaxItems), count(have.MaxItems)},
		{"maxLength", count(want.MaxLength), count(have.MaxLength)},
		{"maxProperties", count(want.MaxProperties), count(have.MaxProps)},
		{"pattern", want.Pattern, have.Pattern},
	} {
		if b.want != b.have && b.want != "none" && b.want != "" {
			c.differ(where, b.name, b.have+", not "+b.want)
		}
	}
}
