package mcp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/model"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

const (
	// maxName is the longest tool name every vendor accepts.
	maxName        = 64
	maxDescription = 4 << 10
	maxSchema      = 64 << 10
	maxImageBytes  = 5 << 20
)

// serverTool is one tool of a server.
type serverTool struct {
	server   *server
	name     string // as the server calls it
	spec     tool.Spec
	original string
}

func newTool(s *server, t *sdk.Tool) *serverTool {
	schema, err := json.Marshal(t.InputSchema)
	if err != nil || len(schema) > maxSchema || !isObject(schema) {
		schema = json.RawMessage(`{"type":"object"}`)
	}
	text := t.Description
	if len(text) > maxDescription {
		text = strings.ToValidUTF8(text[:maxDescription], "")
	}
	st := &serverTool{server: s, name: t.Name, original: s.name + "." + t.Name}
	st.spec = tool.Spec{Name: toolName(s.name, t.Name), Description: text, Schema: schema, Category: api.ActionCategoryIntegration,
		ReadOnly: t.Annotations != nil && t.Annotations.ReadOnlyHint}
	return st
}

func isObject(b []byte) bool {
	var m map[string]json.RawMessage
	return json.Unmarshal(b, &m) == nil && m != nil
}

var notName = regexp.MustCompile(`[^a-zA-Z0-9_-]`)

// toolName is mcp__server__tool in characters and length every vendor accepts.
func toolName(server, name string) string {
	full := "mcp__" + notName.ReplaceAllString(server, "_") + "__" + notName.ReplaceAllString(name, "_")
	if len(full) <= maxName {
		return full
	}
	return full[:maxName-9] + "_" + hash(server+"\x00"+name)
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

// nameTools tells apart tools whose names became the same.
func (s *Servers) nameTools() {
	seen := map[string]bool{}
	for _, srv := range s.list {
		for _, t := range srv.tools {
			st, ok := t.(*serverTool)
			if !ok {
				continue
			}
			if seen[st.spec.Name] {
				st.spec.Name = st.spec.Name[:min(len(st.spec.Name), maxName-9)] + "_" + hash(st.original)
			}
			seen[st.spec.Name] = true
		}
	}
}

// Spec describes the tool.
func (t *serverTool) Spec() tool.Spec { return t.spec }

// Run calls the tool on its server.
func (t *serverTool) Run(ctx context.Context, c tool.Call) (tool.Result, error) {
	res, err := t.server.session.CallTool(ctx, &sdk.CallToolParams{Name: t.name, Arguments: c.Input})
	if ctx.Err() != nil {
		return tool.Failf("interrupted"), context.Cause(ctx)
	}
	if err != nil {
		text := fmt.Sprintf("MCP server %q: %v", t.server.name, err)
		if out := t.server.stderr.String(); out != "" {
			text += "\nIts output:\n" + out
		}
		return tool.Result{Text: text, Failed: true}, nil
	}
	out := tool.Result{Failed: res.IsError, Detail: map[string]string{"server": t.server.name, "tool": t.name}}
	var b strings.Builder
	for _, content := range res.Content {
		addContent(&b, &out, content)
	}
	if b.Len() == 0 && res.StructuredContent != nil {
		if raw, err := json.Marshal(res.StructuredContent); err == nil {
			b.Write(raw)
		}
	}
	out.Text = b.String()
	return out, nil
}

func addContent(b *strings.Builder, out *tool.Result, content sdk.Content) {
	switch c := content.(type) {
	case *sdk.TextContent:
		b.WriteString(c.Text + "\n")
	case *sdk.ImageContent:
		if len(c.Data) > maxImageBytes || !shown[c.MIMEType] {
			fmt.Fprintf(b, "[picture of %d bytes (%s) is not shown]\n", len(c.Data), c.MIMEType)
			return
		}
		out.Images = append(out.Images, model.Image{MediaType: c.MIMEType, Data: c.Data})
		fmt.Fprintf(b, "[picture, %s]\n", c.MIMEType)
	case *sdk.ResourceLink:
		fmt.Fprintf(b, "[resource %s: %s]\n", c.Name, c.URI)
	case *sdk.EmbeddedResource:
		if c.Resource == nil {
			return
		}
		if c.Resource.Text != "" {
			fmt.Fprintf(b, "[resource %s]\n%s\n", c.Resource.URI, c.Resource.Text)
			return
		}
		fmt.Fprintf(b, "[resource %s of %d bytes (%s) is not shown]\n", c.Resource.URI, len(c.Resource.Blob), c.Resource.MIMEType)
	default:
		fmt.Fprintf(b, "[content of a kind that is not shown: %T]\n", content)
	}
}

var shown = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true}
