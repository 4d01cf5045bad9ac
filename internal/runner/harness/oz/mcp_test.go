package oz_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz"
)

// newMCP is a real MCP server with one tool.
func newMCP() *sdk.Server {
	s := sdk.NewServer(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	type args struct {
		Text string `json:"text"`
	}
	sdk.AddTool(s, &sdk.Tool{Name: "shout", Description: "Shouts."}, func(_ context.Context, _ *sdk.CallToolRequest, in args) (*sdk.CallToolResult, any, error) {
		if in.Text == "" {
			return nil, nil, errors.New("nothing to shout")
		}
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: strings.ToUpper(in.Text) + os.Getenv("SUFFIX")}}}, nil, nil
	})
	return s
}

// serveMCP is what the test binary does as an MCP server.
func serveMCP() {
	switch os.Getenv("OZ_TEST_MCP") {
	case "broken":
		fmt.Fprintln(os.Stderr, "cannot open the database")
		os.Exit(3)
	case "silent":
		time.Sleep(time.Hour)
	}
	_ = newMCP().Run(context.Background(), &sdk.StdioTransport{})
}

const shoutScript = `
- tool_calls: [{name: mcp__%s__shout, input: {text: hello}}]
- tool_calls: [{name: mcp__%s__shout, input: {text: ""}}]
- text: done
`

func TestMCPOverStdioAndHTTP(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(sdk.NewStreamableHTTPHandler(func(req *http.Request) *sdk.Server {
		if req.Header.Get("Authorization") != "Bearer s3cret" {
			return nil
		}
		return newMCP()
	}, nil))
	t.Cleanup(func() { web.CloseClientConnections(); web.Close() })
	for name, c := range map[string]struct {
		cfg  api.MCPServerConfig
		want string
	}{
		"stdio": {api.MCPServerConfig{Command: os.Args[0], Env: map[string]string{"OZ_TEST_MCP": "1", "SUFFIX": "{{TEST_SECRET}}"}}, "HELLOs3cret"},
		"http":  {api.MCPServerConfig{Url: web.URL, Headers: map[string]string{"Authorization": "Bearer ${TEST_SECRET}"}}, "HELLO"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "go", fmt.Sprintf(shoutScript, name, name))
			r.session.Env = append(r.session.Env, "TEST_SECRET=s3cret")
			r.session.Assignment.Config.McpServers = map[string]api.MCPServerConfig{name: c.cfg}
			a := r.start()
			r.turn(a, api.RunStateSUCCEEDED)
			res := of[api.ActionResult](r)
			if len(res) != 2 || strings.TrimSpace(res[0].Output) != c.want || res[0].State != api.ActionStateCompleted {
				t.Errorf("result %+v", res)
			}
			if res[1].State != api.ActionStateFailed || !strings.Contains(res[1].Output, "nothing to shout") {
				t.Errorf("error %+v", res[1])
			}
			if err := a.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMCPThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  api.MCPServerConfig
		want []string
	}{
		"broken":  {api.MCPServerConfig{Command: os.Args[0], Env: map[string]string{"OZ_TEST_MCP": "broken"}}, []string{"cannot open the database"}},
		"silent":  {api.MCPServerConfig{Command: os.Args[0], Env: map[string]string{"OZ_TEST_MCP": "silent"}}, []string{"no answer within"}},
		"absent":  {api.MCPServerConfig{Command: "no-such-program-here"}, []string{"no-such-program-here"}},
		"missing": {api.MCPServerConfig{Command: "x", Args: []string{"${NOT_SET_ANYWHERE}"}}, []string{"NOT_SET_ANYWHERE"}},
		"both":    {api.MCPServerConfig{Command: "x", Url: "http://127.0.0.1:1"}, []string{"exactly one"}},
		"shared":  {api.MCPServerConfig{WarpId: "u-u-i-d"}, []string{"u-u-i-d"}},
		"refused": {api.MCPServerConfig{Url: "http://127.0.0.1:1/mcp"}, []string{"connect"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "go", "- text: done")
			r.session.MCPStartTimeout = 700 * time.Millisecond
			r.session.Assignment.Config.McpServers = map[string]api.MCPServerConfig{name: c.cfg}
			a := r.start()
			r.turn(a, api.RunStateSUCCEEDED)
			notices := of[api.Notice](r)
			if len(notices) != 1 {
				t.Fatalf("notices %+v", notices)
			}
			for _, w := range append(c.want, `"`+name+`"`) {
				if !strings.Contains(notices[0].Text, w) {
					t.Errorf("notice %q lacks %q", notices[0].Text, w)
				}
			}
			r.session.StrictMCP = true
			_, err := oz.New(r.cfg).Start(t.Context(), r.session)
			if api.CodeOf(err) != api.PlatformErrorCodeEnvironmentSetupFailed || !strings.Contains(err.Error(), c.want[0]) {
				t.Errorf("strict: %v", err)
			}
		})
	}
}
