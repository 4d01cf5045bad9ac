package httpapi

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cadrehq/cadre/api"
)

// spec is the part of openapi.yaml that the reference shows. It is parsed on the first request for
// it, never at start.
type spec struct {
	Info struct {
		Title       string `yaml:"title"`
		Version     string `yaml:"version"`
		Description string `yaml:"description"`
	} `yaml:"info"`
	Tags []struct {
		Name        string `yaml:"name"`
		Description string `yaml:"description"`
	} `yaml:"tags"`
	Paths      ordered[specPath] `yaml:"paths"`
	Components struct {
		Parameters    map[string]specParameter `yaml:"parameters"`
		RequestBodies map[string]specContent   `yaml:"requestBodies"`
		Responses     map[string]specContent   `yaml:"responses"`
		Schemas       ordered[specSchema]      `yaml:"schemas"`
	} `yaml:"components"`
}

type specPath struct {
	Parameters []specParameter `yaml:"parameters"`
	Get        *specOperation  `yaml:"get"`
	Post       *specOperation  `yaml:"post"`
	Put        *specOperation  `yaml:"put"`
	Delete     *specOperation  `yaml:"delete"`
}

type specOperation struct {
	ID          string               `yaml:"operationId"`
	Tags        []string             `yaml:"tags"`
	Summary     string               `yaml:"summary"`
	Description string               `yaml:"description"`
	Parameters  []specParameter      `yaml:"parameters"`
	RequestBody *specContent         `yaml:"requestBody"`
	Responses   ordered[specContent] `yaml:"responses"`
}

type specParameter struct {
	Ref         string     `yaml:"$ref"`
	Name        string     `yaml:"name"`
	In          string     `yaml:"in"`
	Required    bool       `yaml:"required"`
	Description string     `yaml:"description"`
	Schema      specSchema `yaml:"schema"`
}

// specContent is a request body or a response.
type specContent struct {
	Ref         string `yaml:"$ref"`
	Description string `yaml:"description"`
	Content     ordered[struct {
		Schema  specSchema  `yaml:"schema"`
		Example specExample `yaml:"example"`
	}] `yaml:"content"`
}

type specSchema struct {
	Ref           string              `yaml:"$ref"`
	Type          string              `yaml:"type"`
	Format        string              `yaml:"format"`
	Description   string              `yaml:"description"`
	Enum          []string            `yaml:"enum"`
	Default       any                 `yaml:"default"`
	Minimum       *int64              `yaml:"minimum"`
	Maximum       *int64              `yaml:"maximum"`
	MaxLength     *int64              `yaml:"maxLength"`
	MaxItems      *int64              `yaml:"maxItems"`
	MaxProperties *int64              `yaml:"maxProperties"`
	Items         *specSchema         `yaml:"items"`
	Required      []string            `yaml:"required"`
	Properties    ordered[specSchema] `yaml:"properties"`
	OneOf         []specSchema        `yaml:"oneOf"`
	Deprecated    bool                `yaml:"deprecated"`

	AdditionalProperties *specValues `yaml:"additionalProperties"`
}

// specValues is the schema of a map's values, which the contract may leave open ("true").
type specValues struct{ *specSchema }

// UnmarshalYAML accepts a schema or a boolean.
func (v *specValues) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	v.specSchema = new(specSchema)
	return node.Decode(v.specSchema)
}

// specExample is an example as written, the order of its members kept.
type specExample struct{ node *yaml.Node }

// UnmarshalYAML keeps the text for JSON.
func (e *specExample) UnmarshalYAML(node *yaml.Node) error {
	e.node = node
	return nil
}

// JSON is the example on one line, "" when there is none.
func (e specExample) JSON() string {
	if e.node == nil {
		return ""
	}
	var b strings.Builder
	writeJSONNode(&b, e.node)
	return b.String()
}

func writeJSONNode(b *strings.Builder, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteString(", ")
			}
			writeJSONNode(b, n.Content[i])
			b.WriteString(": ")
			writeJSONNode(b, n.Content[i+1])
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				b.WriteString(", ")
			}
			writeJSONNode(b, item)
		}
		b.WriteByte(']')
	default:
		var v any
		if err := n.Decode(&v); err != nil {
			v = n.Value
		}
		text, _ := json.Marshal(v) // a scalar: it cannot fail
		b.Write(text)
	}
}

// ordered is a YAML mapping in the order of the file.
type ordered[T any] []struct {
	Key   string
	Value T
}

// UnmarshalYAML keeps the order that decoding into a map would lose.
func (o *ordered[T]) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want a mapping", node.Line)
	}
	*o = make(ordered[T], len(node.Content)/2)
	for i := range *o {
		(*o)[i].Key = node.Content[2*i].Value
		if err := node.Content[2*i+1].Decode(&(*o)[i].Value); err != nil {
			return err
		}
	}
	return nil
}

func parseSpec() (*spec, error) {
	var s spec
	if err := yaml.Unmarshal(api.OpenAPI, &s); err != nil {
		return nil, fmt.Errorf("parse openapi.yaml: %w", err)
	}
	return &s, nil
}

// specJSON is openapi.yaml as JSON.
func specJSON() ([]byte, error) {
	var v any
	if err := yaml.Unmarshal(api.OpenAPI, &v); err != nil {
		return nil, fmt.Errorf("parse openapi.yaml: %w", err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode openapi.json: %w", err)
	}
	return b, nil
}

// refName is the last part of a reference into components.
func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

func (s *spec) parameter(p specParameter) specParameter {
	if p.Ref != "" {
		return s.Components.Parameters[refName(p.Ref)]
	}
	return p
}

func (s *spec) body(c specContent) specContent {
	if c.Ref != "" {
		return s.Components.RequestBodies[refName(c.Ref)]
	}
	return c
}

func (s *spec) response(c specContent) specContent {
	if c.Ref != "" {
		return s.Components.Responses[refName(c.Ref)]
	}
	return c
}
