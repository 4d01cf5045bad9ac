package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/internal/cli/term"
)

func TestRunOutput(t *testing.T) {
	env := farSide(t)
	file := filepath.Join(t.TempDir(), "out.log")
	for _, c := range []struct {
		args string
		code int
		out  string // exactly, or
		errs string // contained
	}{
		{"run output run-1 2", 0, "built " + term.Clean(evil) + "\n", ""},
		{"run output run-1 1", 0, "built " + term.Clean(evil) + "\n", ""}, // by its action
		{"run output run-1 5", 0, "whole " + term.Clean(evil) + "\n", ""},
		{"run output run-1 4 --out -", 0, "whole " + evil, ""},
		{"run output run-1 5 --out " + file, 0, "Wrote " + file + "\n", ""},
		{"run output run-1 5 --jq .size_bytes", 0, "1048578\n", ""},
		{"run output run-1 5 --jq .output|length", 0, "26\n", ""},
		{"run output run-1 --jq .[].seq", 0, "2\n5\n", ""},
		{"run output run-1 3", exitFailure, "", "entry 3 is no action (agent_message)"},
		{"run output run-1 6", exitFailure, "", "action 6 has not ended yet"},
		{"run output run-1 7", exitFailure, "", "has no entry 7"},
		{"run output run-1 0", exitUsage, "", "SEQ is the number of an entry"},
		{"run output run-1 x", exitUsage, "", "SEQ is the number of an entry"},
		{"run output run-1 --out x", exitUsage, "", "--out needs the SEQ"},
		{"run output", exitUsage, "", ""},
	} {
		code, out, errs := invoke(t, env, append([]string{"cadre"}, strings.Fields(c.args)...)...)
		if code != c.code || out != c.out || !strings.Contains(errs, c.errs) {
			t.Errorf("%s: exit %d, %q, %q; want %d, %q, %q", c.args, code, out, errs, c.code, c.out, c.errs)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "whole "+evil {
		t.Errorf("the file holds %q, %v", b, err)
	}
	env["CADRE_SERVER_URL"] = "http://127.0.0.1:1"
	if code, _, errs := invoke(t, env, "cadre", "run", "output", "run-1", "2"); code != exitFailure || errs == "" {
		t.Errorf("nobody there: exit %d, %q", code, errs)
	}
}

// TestCleanerCutsNoCharacter: however the bytes arrive, the result is that of the whole.
func TestCleanerCutsNoCharacter(t *testing.T) {
	text := "\r\na\u00e9\u76f4🙏" + evil + "\xff\xf0\x9f end \xf0\x9f"
	for _, write := range []func(*cleaner) error{
		func(c *cleaner) error { _, err := c.Write([]byte(text)); return err },
		func(c *cleaner) error {
			var b [1]byte
			for r := iotest.OneByteReader(strings.NewReader(text)); ; {
				if n, err := r.Read(b[:]); n == 0 {
					return nil
				} else if _, werr := c.Write(b[:n]); werr != nil || err != nil {
					return werr
				}
			}
		},
	} {
		var out bytes.Buffer
		c := &cleaner{w: &out}
		if err := write(c); err != nil {
			t.Fatal(err)
		}
		if err := c.end(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(term.Clean(text)+"\n", out.String()); diff != "" {
			t.Error(diff)
		}
	}
}
