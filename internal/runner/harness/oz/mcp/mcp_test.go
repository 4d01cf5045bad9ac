package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv("MCP_TEST_SERVER"); kind != "" {
		serve(kind)
		return
	}
	goleak.VerifyTestMain(m)
}

// serve is this test program as an MCP server, well-behaved or not.
func serve(kind string) {
	s := sdk.NewServer(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	add := func(name string, out func() *sdk.CallToolResult) {
		sdk.AddTool(s, &sdk.Tool{Name: name, Description: strings.Repeat("d", maxDescription+10), Annotations: &sdk.ToolAnnotations{ReadOnlyHint: name == "look"}},
			func(context.Context, *sdk.CallToolRequest, map[string]any) (*sdk.CallToolResult, any, error) {
				return out(), nil, nil
			})
	}
	text := func(s string) func() *sdk.CallToolResult {
		return func() *sdk.CallToolResult {
			return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: s}}}
		}
	}
	switch kind {
	case "many":
		for i := range maxTools + 1 {
			add(fmt.Sprint("t", i), text(""))
		}
	case "alike":
		add("a.b", text("dot"))
		add("a b", text("space"))
		add(strings.Repeat("long", 30), text("long"))
	case "child":
		add("look", text("ok"))
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			os.Exit(2)
		}
		_ = os.WriteFile(os.Getenv("MCP_TEST_PID"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
	case "dies":
		add("look", func() *sdk.CallToolResult {
			fmt.Fprintln(os.Stderr, "out of ink")
			os.Exit(1)
			return nil
		})
	case "noise":
		fmt.Println("Welcome! This is not JSON.")
	case "kinds":
		add("look", func() *sdk.CallToolResult {
			return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{
				&sdk.TextContent{Text: "words"}, &sdk.ImageContent{MIMEType: "image/png", Data: []byte("png")},
				&sdk.ImageContent{MIMEType: "image/tiff", Data: []byte("tiff")}, &sdk.ResourceLink{URI: "file:///x", Name: "x"},
				&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "file:///y", Text: "embedded"}},
				&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "file:///z", MIMEType: "application/zip", Blob: []byte("zip")}},
				&sdk.AudioContent{MIMEType: "audio/wav", Data: []byte("wav")},
			}}
		})
	}
	_ = s.Run(context.Background(), &sdk.StdioTransport{})
}

// start starts one server of a kind, under the name "s".
func start(t *testing.T, kind string, env map[string]string) (*Servers, []*StartError) {
	t.Helper()
	all := map[string]string{"MCP_TEST_SERVER": kind}
	for k, v := range env {
		all[k] = v
	}
	s, failed := Start(t.Context(), Config{Servers: map[string]api.MCPServerConfig{"s": {Command: os.Args[0], Env: all}},
		Env: os.Environ(), Dir: t.TempDir(), Timeout: 10 * time.Second, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(s.Close)
	return s, failed
}

func call(t *testing.T, to tool.Tool) tool.Result {
	t.Helper()
	res, err := to.Run(t.Context(), tool.Call{ID: "1", Input: json.RawMessage(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// Names that become alike stay apart and callable, within what every vendor accepts.
func TestToolNames(t *testing.T) {
	t.Parallel()
	s, failed := start(t, "alike", nil)
	if len(failed) > 0 {
		t.Fatal(failed[0])
	}
	fit := regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	said := map[string]string{}
	for _, to := range s.Tools() {
		spec := to.Spec()
		if !fit.MatchString(spec.Name) || said[spec.Name] != "" || len(spec.Description) > maxDescription || spec.ReadOnly {
			t.Errorf("spec %+v", spec)
		}
		said[spec.Name] = strings.TrimSpace(call(t, to).Text)
	}
	var all []string
	for _, text := range said {
		all = append(all, text)
	}
	if got := strings.Join(all, " "); len(all) != 3 || !strings.Contains(got, "dot") || !strings.Contains(got, "space") || !strings.Contains(got, "long") {
		t.Errorf("said %v", said)
	}
}

func TestContentOfEveryKind(t *testing.T) {
	t.Parallel()
	s, failed := start(t, "kinds", nil)
	if len(failed) > 0 {
		t.Fatal(failed[0])
	}
	if !s.Tools()[0].Spec().ReadOnly {
		t.Error("a hint was not taken")
	}
	res := call(t, s.Tools()[0])
	if !res.Failed || len(res.Images) != 1 || string(res.Images[0].Data) != "png" {
		t.Errorf("%+v", res)
	}
	for _, want := range []string{"words", "[picture, image/png]", "picture of 4 bytes (image/tiff) is not shown", "file:///x", "embedded", "of 3 bytes (application/zip)", "AudioContent"} {
		if !strings.Contains(res.Text, want) {
			t.Errorf("%q lacks %q", res.Text, want)
		}
	}
}

func TestTooManyTools(t *testing.T) {
	t.Parallel()
	if _, failed := start(t, "many", nil); len(failed) != 1 || !strings.Contains(failed[0].Error(), "more than 256 tools") {
		t.Errorf("%v", failed)
	}
}

// A server that dies during a call fails the call, with its last words, and no other.
func TestDeathDuringACall(t *testing.T) {
	t.Parallel()
	s, failed := start(t, "dies", nil)
	if len(failed) > 0 {
		t.Fatal(failed[0])
	}
	for range 2 {
		if res := call(t, s.Tools()[0]); !res.Failed || !strings.Contains(res.Text, `MCP server "s"`) || !strings.Contains(res.Text, "out of ink") {
			t.Errorf("%+v", res)
		}
	}
}

// What a server prints beside its protocol does not keep it from working, or it is named as failed;
// it never hangs the start.
func TestNoiseOnOutput(t *testing.T) {
	t.Parallel()
	if s, failed := start(t, "noise", nil); len(failed) == 0 && len(s.Tools()) != 0 {
		t.Errorf("tools %+v", s.Tools())
	}
}

// Nothing a server started outlives it.
func TestCloseEndsChildren(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	s, failed := start(t, "child", map[string]string{"MCP_TEST_PID": file})
	if len(failed) > 0 {
		t.Fatal(failed[0])
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	for deadline := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("a child is left")
		}
	}
}

// alive tells a running process from one that waits to be collected.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest != "" && rest[0] != 'Z' && rest[0] != 'X'
}

func TestExpand(t *testing.T) {
	t.Parallel()
	env := []string{"A=one", "EMPTY=", "B_2=two"}
	got, err := expand(api.MCPServerConfig{Command: "${A}", Args: []string{"{{ B_2 }}", "$A", "${A}{{A}}"},
		Env: map[string]string{"K": "x${A}"}, Headers: map[string]string{"H": "Bearer {{A}}"}}, env)
	if err != nil || got.Command != "one" || strings.Join(got.Args, " ") != "two $A oneone" || got.Env["K"] != "xone" || got.Headers["H"] != "Bearer one" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, missing := range []string{"EMPTY", "NONE"} {
		if _, err := expand(api.MCPServerConfig{Url: "http://x/${" + missing + "}"}, env); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s: %v", missing, err)
		}
	}
}

func TestLookPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"run": 0o700, "text": 0o600} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PATH=/nowhere", "PATH=" + dir}
	if got, err := lookPath("run", env); err != nil || got != filepath.Join(dir, "run") {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := lookPath("./run", env); err != nil || got != "./run" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := lookPath("text", env); err == nil {
		t.Error("a file that cannot run was found")
	}
}
