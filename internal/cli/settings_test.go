package cli

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cadrehq/cadre/internal/server"
)

// notFlags are the settings of a server that are no flags, and why.
var notFlags = map[string]string{
	"BootstrapKey":         "a secret: environment only",
	"Log":                  "made of --log-level",
	"Models.Anthropic.Key": "a secret: environment only",
	"Models.OpenAI.Key":    "a secret: environment only",
	"Models.Gemini.Key":    "a secret: environment only",
	"Models.LocalKey":      "a secret: environment only",
	"MasterKeys":           "a secret: environment only",
	"Models.Prices":        "a table, not a word",

	"Providers":              "made of the file and Provider",
	"Provider.Name":          "always the same",
	"Provider.ClientSecret":  "a secret: environment only",
	"Provider.Policy.Role":   "in the file of providers only",
	"Provider.Scopes":        "in the file of providers only",
	"Provider.GroupsClaim":   "in the file of providers only",
	"Provider.Policy.Groups": "in the file of providers only",

	"Models.Egress.AllowPrivate": "wired by the server",
	"Models.Auth":                "wired by the server",
	"Models.Ledger":              "wired by the server",
	"Models.Budget":              "wired by the server",
	"Models.Log":                 "wired by the server",
	"Models.Now":                 "for tests",
	"Now":                        "for tests",
	"Models.NewID":               "for tests",
	"Models.Transport":           "for tests",
}

// TestEverySettingOfAServerHasAFlag sets each flag and sees which field changes.
func TestEverySettingOfAServerHasAFlag(t *testing.T) {
	var cfg server.Config
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	serverFlags(fs, &cfg)
	covered := map[string]string{}
	fs.VisitAll(func(f *pflag.Flag) {
		before := fields(reflect.ValueOf(cfg), "")
		value := map[string]string{"string": "x", "int": "7", "duration": "7s", "size": "7KiB", "bool": "true", "stringSlice": "x", "networks": "10.0.0.0/8"}[f.Value.Type()]
		if err := fs.Set(f.Name, value); err != nil {
			t.Fatalf("--%s: %v", f.Name, err)
		}
		changed := 0
		for name, v := range fields(reflect.ValueOf(cfg), "") {
			if v != before[name] {
				changed++
				covered[name] = f.Name
			}
		}
		if changed != 1 {
			t.Errorf("--%s changes %d settings", f.Name, changed)
		}
		want := "CADRE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if env := f.Annotations[envAnnotation]; len(env) == 0 || env[0] != want {
			t.Errorf("--%s is set by %v, want %s", f.Name, env, want)
		}
	})
	for name := range fields(reflect.ValueOf(cfg), "") {
		if _, left := notFlags[name]; covered[name] == "" && !left {
			t.Errorf("server setting %s has no flag", name)
		}
	}
	for name := range notFlags {
		if _, ok := fields(reflect.ValueOf(cfg), "")[name]; !ok || covered[name] != "" {
			t.Errorf("notFlags lists %s, which is no setting or has a flag", name)
		}
	}
}

// fields flattens a struct to its leaves, named by their path.
func fields(v reflect.Value, prefix string) map[string]any {
	out := map[string]any{}
	for i := range v.NumField() {
		name, f := prefix+v.Type().Field(i).Name, v.Field(i)
		switch f.Kind() {
		case reflect.Struct:
			for k, x := range fields(f, name+".") {
				out[k] = x
			}
		case reflect.String, reflect.Int, reflect.Int64, reflect.Bool:
			out[name] = f.Interface()
		default:
			out[name] = f.IsZero()
		}
	}
	return out
}

func TestFlagsWinOverEnvironmentOverSaved(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"XDG_CONFIG_HOME": dir}
	set := func(name, value string) {
		t.Helper()
		if code, _, errs := invoke(t, env, "cadre", "config", "set", name, value); code != 0 {
			t.Fatal(errs)
		}
	}
	set("server_url", "http://saved:1/api/v1/")
	set("api_key", "wk-1.savedsavedsaved")
	set("output_format", "json")
	resolve := func(env map[string]string, args ...string) settings {
		t.Helper()
		var got settings
		a := &app{Program: Program{Args: []string{"cadre"}, Getenv: func(n string) string { return env[n] }}}
		root := a.root()
		root.AddCommand(a.newCommand(&cobra.Command{Use: "probe"}, func(*cobra.Command, []string) error { got = a.settings; return nil }))
		root.SetArgs(append([]string{"probe"}, args...))
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		return got
	}
	with := func(more ...string) map[string]string {
		m := map[string]string{"XDG_CONFIG_HOME": dir}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	for _, c := range []struct {
		name                string
		env                 map[string]string
		args                []string
		server, key, format string
	}{
		{"saved", with(), nil, "http://saved:1", "wk-1.savedsavedsaved", "json"},
		{"environment", with("WARP_API_KEY", "w", "WARP_OUTPUT_FORMAT", "text"), nil, "http://saved:1", "w", "text"},
		{"CADRE over WARP", with("WARP_API_KEY", "w", "CADRE_API_KEY", "c"), nil, "http://saved:1", "c", "json"},
		{"flag", with("CADRE_API_KEY", "c", "CADRE_OUTPUT_FORMAT", "text"), []string{"--api-key", "f", "--output-format", "ndjson"}, "http://saved:1", "f", "ndjson"},
		{"--json", with("CADRE_OUTPUT_FORMAT", "text"), []string{"--json"}, "http://saved:1", "wk-1.savedsavedsaved", "json"},
		{"a saved key goes to no other server", with(), []string{"--server-root-url", "http://other:1"}, "http://other:1", "", "json"},
		{"the same server otherwise written", with("OZ_API_BASE_URL", "http://saved:1/api/v1"), nil, "http://saved:1/api/v1", "wk-1.savedsavedsaved", "json"},
		{"nothing at all", map[string]string{}, nil, defaultServer, "", "pretty"},
	} {
		got := resolve(c.env, c.args...)
		want := settings{server: c.server, apiKey: c.key, format: format(c.format), json: got.json}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(settings{})); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestAWrongVariableIsNamed(t *testing.T) {
	code, _, errs := invoke(t, map[string]string{"CADRE_LEASE": "soon"}, "cadre", "up")
	if code != exitUsage || !strings.Contains(errs, "CADRE_LEASE") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestSavedSettingsArePrivate(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"XDG_CONFIG_HOME": filepath.Join(dir, "new")}
	if code, _, errs := invoke(t, env, "cadre", "config", "set", "api_key", "wk-1.secretsecretsecret"); code != 0 {
		t.Fatal(errs)
	}
	path := filepath.Join(dir, "new", "cadre", "config.json")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	parent, err := os.Stat(filepath.Dir(path))
	if err != nil || parent.Mode().Perm() != 0o700 {
		t.Errorf("directory mode %v, %v", parent.Mode(), err)
	}
	for _, args := range [][]string{{"config", "list"}, {"config", "list", "--json"}, {"dump-debug-info", "--server-root-url", "http://127.0.0.1:1"}} {
		if _, out, _ := invoke(t, env, append([]string{"cadre"}, args...)...); strings.Contains(out, "secretsecret") {
			t.Errorf("%v shows the key: %s", args, out)
		}
	}
	if _, out, _ := invoke(t, env, "cadre", "config", "get", "api_key"); out != "wk-1.secretsecretsecret\n" {
		t.Errorf("config get prints %q", out)
	}
}

func TestBrokenSavedSettingsAreNamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cadre", "config.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := invoke(t, map[string]string{"XDG_CONFIG_HOME": dir}, "cadre", "run", "list")
	if code == 0 || !strings.Contains(errs, path) {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestDurations(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "10m": 10 * time.Minute, "1h 30m": 90 * time.Minute, "1h30m0s": 90 * time.Minute, "0s": 0, "0": 0,
		"2days": 48 * time.Hour, "1.5h": 90 * time.Minute, "250ms": 250 * time.Millisecond, "5 minutes": 5 * time.Minute,
	} {
		if got, err := parseDuration(in); err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "5", "m", "5x", "-5m", "1h-", "999999999999h", "5m5", ".s", "team"} {
		if got, err := parseDuration(in); err == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", in, got)
		}
	}
}

func TestSizes(t *testing.T) {
	for in, want := range map[string]byteSize{"1": 1, "7B": 7, "2KiB": 2048, "1 MiB": 1 << 20, "3MB": 3e6} {
		var b byteSize
		if err := b.Set(in); err != nil || b != want {
			t.Errorf("Set(%q) = %d, %v", in, b, err)
		}
	}
	for _, in := range []string{"", "0", "-1", "x", "MiB", "9999999999GiB", "1.5MiB"} {
		var b byteSize
		if err := b.Set(in); err == nil {
			t.Errorf("Set(%q) = %d, want an error", in, b)
		}
	}
}

func TestServiceLogLevel(t *testing.T) {
	var b strings.Builder
	a := &app{Program: Program{Stderr: &b}}
	a.serviceLog(slog.LevelWarn).Info("quiet")
	a.settings.debug = true
	a.serviceLog(slog.LevelWarn).Debug("loud")
	if strings.Contains(b.String(), "quiet") || !strings.Contains(b.String(), "loud") {
		t.Error(b.String())
	}
}
