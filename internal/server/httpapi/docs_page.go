package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// docsPage is what docs.html shows.
type docsPage struct {
	Title, Description string
	Groups             []docsGroup
	Schemas            []docsSchema
	Codes              []docsCode
}

type docsGroup struct {
	Name, Description string
	Operations        []docsOperation
}

type docsOperation struct {
	ID, Method, Path, Summary, Description string
	Permission                             identity.Permission
	Parameters                             []docsField
	Body                                   *docsType
	BodyFields                             []docsField
	Answers                                []docsAnswer
	Sample                                 string
}

type docsAnswer struct {
	Status, Description, MediaType string
	Type                           *docsType
	Fields                         []docsField
}

type docsSchema struct {
	Name, Description string
	Type              docsType
	Values            []string
	Fields            []docsField
}

type docsField struct {
	Name, In, Description, Range string
	Required, Deprecated         bool
	Type                         docsType
	Values                       []string
}

// docsType is a type in words: what stands before a link to a schema, the link, several of them.
type docsType struct {
	Before, Ref string
	OneOf       []string
}

func renderReference() ([]byte, error) {
	s, err := parseSpec()
	if err != nil {
		return nil, err
	}
	page := docsPage{Title: s.Info.Title, Description: s.Info.Description}
	for _, c := range api.Codes {
		page.Codes = append(page.Codes, explained(c))
	}
	for _, tag := range s.Tags {
		page.Groups = append(page.Groups, docsGroup{
			Name: tag.Name, Description: tag.Description, Operations: s.operationsOf(tag.Name),
		})
	}
	for _, schema := range s.Components.Schemas {
		page.Schemas = append(page.Schemas, docsSchema{
			Name: schema.Key, Description: schema.Value.Description, Type: typeOf(schema.Value),
			Values: schema.Value.Enum, Fields: s.fieldsOf(schema.Value),
		})
	}
	slices.SortFunc(page.Schemas, func(a, b docsSchema) int { return strings.Compare(a.Name, b.Name) })
	return render("docs.html", page)
}

func (s *spec) operationsOf(tag string) []docsOperation {
	var out []docsOperation
	for _, p := range s.Paths {
		for _, m := range []struct {
			method string
			op     *specOperation
		}{
			{http.MethodPost, p.Value.Post}, {http.MethodGet, p.Value.Get},
			{http.MethodPut, p.Value.Put}, {http.MethodDelete, p.Value.Delete},
		} {
			if m.op != nil && slices.Contains(m.op.Tags, tag) {
				out = append(out, s.operation(m.method, p.Key, p.Value.Parameters, *m.op))
			}
		}
	}
	return out
}

func (s *spec) operation(method, path string, shared []specParameter, op specOperation) docsOperation {
	out := docsOperation{
		ID: op.ID, Method: method, Path: api.BasePath + path, Summary: op.Summary, Description: op.Description,
		Permission: permissionOf(op.ID),
	}
	for _, p := range slices.Concat(shared, op.Parameters) {
		p = s.parameter(p)
		out.Parameters = append(out.Parameters, docsField{
			Name: p.Name, In: p.In, Description: p.Description, Required: p.Required,
			Type: typeOf(p.Schema), Range: rangeOf(p.Schema), Values: s.valuesOf(p.Schema),
		})
	}
	if op.RequestBody != nil {
		for _, content := range s.body(*op.RequestBody).Content {
			t := typeOf(content.Value.Schema)
			out.Body, out.BodyFields = &t, s.membersOf(content.Value.Schema)
		}
	}
	for _, answer := range op.Responses {
		if answer.Key == "default" { // a problem, as everywhere
			continue
		}
		response := s.response(answer.Value)
		shown := docsAnswer{Status: answer.Key, Description: response.Description}
		for _, content := range response.Content {
			t := typeOf(content.Value.Schema)
			shown.MediaType, shown.Type, shown.Fields = content.Key, &t, s.membersOf(content.Value.Schema)
		}
		out.Answers = append(out.Answers, shown)
	}
	out.Sample = s.sample(out, op)
	return out
}

func permissionOf(id string) identity.Permission {
	i := slices.IndexFunc(operations, func(o operation) bool { return o.id == id })
	if i < 0 {
		return public
	}
	return operations[i].permission
}

// membersOf are the members of the object a body or answer is.
func (s *spec) membersOf(schema specSchema) []docsField {
	if schema.Ref == "" {
		return nil
	}
	return s.fieldsOf(s.schema(schema))
}

// schema follows a reference.
func (s *spec) schema(of specSchema) specSchema {
	for _, named := range s.Components.Schemas {
		if of.Ref != "" && named.Key == refName(of.Ref) {
			return named.Value
		}
	}
	return of
}

func (s *spec) fieldsOf(schema specSchema) []docsField {
	var out []docsField
	for _, p := range schema.Properties {
		f := docsField{
			Name: p.Key, Description: p.Value.Description, Required: slices.Contains(schema.Required, p.Key),
			Deprecated: p.Value.Deprecated, Type: typeOf(p.Value), Range: rangeOf(p.Value), Values: s.valuesOf(p.Value),
		}
		if f.Description == "" {
			f.Description = firstSentence(s.schema(p.Value).Description)
		}
		out = append(out, f)
	}
	return out
}

// valuesOf are the values of an enumeration, unless there are too many to show in passing.
func (s *spec) valuesOf(of specSchema) []string {
	if of.Items != nil {
		of = *of.Items
	}
	values := s.schema(of).Enum
	if len(values) > 9 {
		return nil
	}
	return values
}

func firstSentence(text string) string {
	if i := strings.Index(text, ". "); i >= 0 {
		return text[:i+1]
	}
	return text
}

func typeOf(s specSchema) docsType {
	switch {
	case s.Ref != "":
		return docsType{Ref: refName(s.Ref)}
	case len(s.OneOf) > 0:
		t := docsType{Before: "one of "}
		for _, one := range s.OneOf {
			t.OneOf = append(t.OneOf, refName(one.Ref))
		}
		return t
	case s.Type == "array" && s.Items != nil:
		t := typeOf(*s.Items)
		t.Before = "list of " + t.Before
		return t
	case s.AdditionalProperties != nil && s.AdditionalProperties.specSchema != nil && len(s.Properties) == 0:
		t := typeOf(*s.AdditionalProperties.specSchema)
		t.Before = "map to " + t.Before
		return t
	case s.Format != "":
		return docsType{Before: s.Type + " (" + s.Format + ")"}
	}
	return docsType{Before: s.Type}
}

// rangeOf says in words what is allowed and what counts when nothing is said.
func rangeOf(s specSchema) string {
	var parts []string
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		parts = append(parts, fmt.Sprintf("%d to %d", *s.Minimum, *s.Maximum))
	case s.Minimum != nil:
		parts = append(parts, fmt.Sprintf("from %d", *s.Minimum))
	}
	for _, b := range []struct {
		limit *int64
		words string
	}{{s.MaxLength, "at most %d characters"}, {s.MaxItems, "at most %d"}, {s.MaxProperties, "at most %d"}} {
		if b.limit != nil {
			parts = append(parts, fmt.Sprintf(b.words, *b.limit))
		}
	}
	if s.Default != nil {
		parts = append(parts, "default "+fmt.Sprint(s.Default))
	}
	return strings.Join(parts, ", ")
}

// sample is the operation as a command line. Its variables are those of the CLI.
func (s *spec) sample(o docsOperation, op specOperation) string {
	url, query := o.Path, ""
	for _, p := range o.Parameters {
		switch {
		case p.In == "path":
			url = strings.ReplaceAll(url, "{"+p.Name+"}", "$"+variable(p.Name))
		case p.In == "query" && p.Required && p.Name == "kind":
			query += "&kind=artifact"
		case p.In == "query" && p.Required:
			query += "&" + p.Name + "=$" + variable(p.Name)
		}
	}
	if query != "" {
		url += "?" + query[1:]
	}
	head, lines := "curl", []string(nil)
	switch o.Permission {
	case public:
	case identity.PermRunner:
		lines = append(lines, `-H "Authorization: Bearer $RUN_TOKEN"`)
	default:
		lines = append(lines, `-H "Authorization: Bearer $CADRE_API_KEY"`)
	}
	media, example := s.example(op)
	for _, a := range o.Answers {
		switch {
		case a.MediaType == "text/event-stream":
			head = "curl -N" // show events as they come
		case a.Status == strconv.Itoa(http.StatusFound):
			head = "curl -L"
		case a.MediaType == "application/octet-stream":
			head = "curl -OJ"
		}
	}
	switch {
	case example != "":
		lines = append(lines, "--json '"+folded(example)+"'")
		if o.Method != http.MethodPost {
			head += " -X " + o.Method
		}
	case media != "":
		lines = append(lines, "--data-binary @report.pdf")
	case o.Method != http.MethodGet:
		head += " -X " + o.Method
	}
	lines = append([]string{head + ` "$CADRE_SERVER_URL` + url + `"`}, lines...)
	return strings.Join(lines, " \\\n  ")
}

// folded breaks JSON that does not fit beside the text into lines.
func folded(text string) string {
	const fits = 44
	if len(text) <= fits {
		return text
	}
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
		return text
	}
	return b.String()
}

// example is the request body the contract shows, and the body's media type.
func (s *spec) example(op specOperation) (media, example string) {
	if op.RequestBody == nil {
		return "", ""
	}
	for _, content := range s.body(*op.RequestBody).Content {
		media, example = content.Key, content.Value.Example.JSON()
	}
	return media, example
}

// variable writes a parameter's name as a shell variable: runId becomes RUN_ID.
func variable(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}
