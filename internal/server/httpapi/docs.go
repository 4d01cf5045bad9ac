package httpapi

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

//go:embed assets
var assets embed.FS

// docsPolicy allows the reference its one style sheet and nothing else.
const docsPolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// reference renders what people read about the API, once each and only when asked.
type reference struct {
	page func() ([]byte, error)
	json func() ([]byte, error)
}

func newReference() reference {
	return reference{page: sync.OnceValues(renderReference), json: sync.OnceValues(specJSON)}
}

// docs serves the API reference.
func (a *API) docs(w http.ResponseWriter, r *http.Request) {
	page, err := a.reference.page()
	if err != nil {
		a.fail(w, r, err)
		return
	}
	servePage(w, "text/html; charset=utf-8", page)
}

// docsStyle serves the reference's style sheet.
func (a *API) docsStyle(w http.ResponseWriter, r *http.Request) {
	css, err := assets.ReadFile("assets/docs.css")
	if err != nil {
		a.fail(w, r, err)
		return
	}
	servePage(w, "text/css; charset=utf-8", css)
}

// docsError explains the error code that a problem's type ends in.
func (a *API) docsError(w http.ResponseWriter, r *http.Request) {
	name := strings.ReplaceAll(r.PathValue("code"), "-", "_")
	i := slices.IndexFunc(api.Codes, func(c api.Code) bool { return string(c.Name) == name })
	if i < 0 {
		a.fail(w, r, api.Fail(api.PlatformErrorCodeResourceNotFound, "no such error code"))
		return
	}
	page, err := render("error.html", api.Codes[i])
	if err != nil {
		a.fail(w, r, err)
		return
	}
	servePage(w, "text/html; charset=utf-8", page)
}

// openapiYAML serves the contract as written.
func (a *API) openapiYAML(w http.ResponseWriter, _ *http.Request) {
	servePage(w, "application/yaml", api.OpenAPI)
}

// openapiJSON serves the contract as JSON.
func (a *API) openapiJSON(w http.ResponseWriter, r *http.Request) {
	b, err := a.reference.json()
	if err != nil {
		a.fail(w, r, err)
		return
	}
	servePage(w, "application/json", b)
}

func servePage(w http.ResponseWriter, contentType string, page []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(page)))
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(page) // the client may be gone
}

func render(name string, data any) ([]byte, error) {
	t, err := template.ParseFS(assets, "assets/"+name)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// docsPage is what docs.html shows.
type docsPage struct {
	Title, Description string
	Groups             []docsGroup
	Schemas            []docsSchema
	Codes              []api.Code
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
	Answers                                []docsAnswer
}

type docsAnswer struct {
	Status, Description, MediaType string
	Type                           *docsType
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
}

// docsType is a type in words, with the schema it links to.
type docsType struct{ Before, Ref, After string }

func renderReference() ([]byte, error) {
	s, err := parseSpec()
	if err != nil {
		return nil, err
	}
	page := docsPage{Title: s.Info.Title, Description: s.Info.Description, Codes: api.Codes}
	for _, tag := range s.Tags {
		page.Groups = append(page.Groups, docsGroup{
			Name: tag.Name, Description: tag.Description, Operations: s.operationsOf(tag.Name),
		})
	}
	for _, schema := range s.Components.Schemas {
		page.Schemas = append(page.Schemas, docsSchema{
			Name: schema.Key, Description: schema.Value.Description, Type: typeOf(schema.Value),
			Values: schema.Value.Enum, Fields: fieldsOf(schema.Value),
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
			{http.MethodGet, p.Value.Get}, {http.MethodPost, p.Value.Post},
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
			Type: typeOf(p.Schema), Range: rangeOf(p.Schema),
		})
	}
	if op.RequestBody != nil {
		for _, content := range s.body(*op.RequestBody).Content {
			t := typeOf(content.Value.Schema)
			out.Body = &t
		}
	}
	for _, answer := range op.Responses {
		response := s.response(answer.Value)
		shown := docsAnswer{Status: answer.Key, Description: response.Description}
		for _, content := range response.Content {
			t := typeOf(content.Value.Schema)
			shown.MediaType, shown.Type = content.Key, &t
		}
		out.Answers = append(out.Answers, shown)
	}
	return out
}

func permissionOf(id string) identity.Permission {
	i := slices.IndexFunc(operations, func(o operation) bool { return o.id == id })
	if i < 0 {
		return public
	}
	return operations[i].permission
}

func fieldsOf(s specSchema) []docsField {
	var out []docsField
	for _, p := range s.Properties {
		out = append(out, docsField{
			Name: p.Key, Description: p.Value.Description, Required: slices.Contains(s.Required, p.Key),
			Deprecated: p.Value.Deprecated, Type: typeOf(p.Value), Range: rangeOf(p.Value),
		})
	}
	return out
}

func typeOf(s specSchema) docsType {
	switch {
	case s.Ref != "":
		return docsType{Ref: refName(s.Ref)}
	case len(s.OneOf) > 0:
		names := make([]string, len(s.OneOf))
		for i, one := range s.OneOf {
			names[i] = refName(one.Ref)
		}
		return docsType{Before: "one of " + strings.Join(names, ", ")}
	case s.Type == "array" && s.Items != nil:
		t := typeOf(*s.Items)
		t.Before = "list of " + t.Before
		return t
	case len(s.Enum) > 0 && len(s.Properties) == 0:
		return docsType{Before: "one of " + strings.Join(s.Enum, ", ")}
	case s.Format != "":
		return docsType{Before: s.Type + " (" + s.Format + ")"}
	}
	return docsType{Before: s.Type}
}

func rangeOf(s specSchema) string {
	var parts []string
	if s.Minimum != nil {
		parts = append(parts, "from "+strconv.FormatInt(*s.Minimum, 10))
	}
	if s.Maximum != nil {
		parts = append(parts, "to "+strconv.FormatInt(*s.Maximum, 10))
	}
	if s.Default != nil {
		parts = append(parts, "default "+fmt.Sprint(s.Default))
	}
	return strings.Join(parts, " ")
}
