package cli

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// TestDevSeed fills a directory, refuses to fill it twice, and adds when asked to.
func TestDevSeed(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	seed := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		code := Program{
			Args: append([]string{"cadre", "dev", "seed", "--runs", "30", "--json"}, args...), Version: "test", Stdin: strings.NewReader(""),
			Stdout: &out, Stderr: &errs, Environ: func() []string { return nil },
			Getenv: func(name string) string { return map[string]string{"HOME": t.TempDir()}[name] },
		}.Main(t.Context())
		return code, out.String(), errs.String()
	}
	if code, _, errs := seed(); code != exitUsage || !strings.Contains(errs, "--data") {
		t.Errorf("without a directory: exit %d, %s", code, errs)
	}
	code, out, errs := seed("--data", data)
	var report seeded
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitOK || report.Runs != 30 || report.RunsPerSecond <= 0 {
		t.Fatalf("exit %d, %s%s", code, out, errs)
	}
	if code, _, errs := seed("--data", data); code != 1 || !strings.Contains(errs, "--append") {
		t.Errorf("a second time: exit %d, %s", code, errs)
	}
	if code, out, errs := seed("--data", data, "--append"); code != exitOK {
		t.Errorf("adding: exit %d, %s%s", code, out, errs)
	}
}
