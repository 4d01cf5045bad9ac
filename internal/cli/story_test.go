package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestStories carries out testdata/script against real processes of the real program.
func TestStories(t *testing.T) {
	if testing.Short() {
		t.Skip("short: builds the program")
	}
	bin := t.TempDir()
	program := filepath.Join(bin, "cadre")
	// With the flags of this test, so that its packages need not be compiled again.
	build := exec.Command("go", "build", "-o", program, "../../cmd/cadre")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, name := range []string{"oz", "oz-preview"} {
		if err := os.Symlink(program, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("HOME", home)
			e.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			e.Setenv("GOPROXY", "off")
			// Compiling the standard library anew would take most of the time. Agents see HOME only, and
			// may write its caches, where they really are: a link further down would lead out of bounds.
			cache, err := exec.Command("go", "env", "GOCACHE").Output()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(home, 0o755); err != nil {
				return err
			}
			if real := strings.TrimSpace(string(cache)); filepath.Base(real) == "go-build" {
				return os.Symlink(filepath.Dir(real), filepath.Join(home, ".cache"))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"up": up, "stop": stop, "signin": signIn, "mode": mode, "setid": setID, "poll": poll},
	})
}

// serverProcess is a 'cadre up' of a story.
type serverProcess struct {
	cmd  *exec.Cmd
	errs *strings.Builder
}

// stop ends a process in good order and fails the story if it does not end well.
func (s *serverProcess) stop() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	_ = cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("cadre up: %w\n%s", err, s.errs)
	}
	return nil
}

// up starts 'cadre up' on a free port with its data in $WORK/data and waits until it is up. $URL is
// then where it listens; what it wrote is in the file up.txt.
func up(ts *testscript.TestScript, neg bool, args []string) {
	cmd := exec.Command("cadre", append([]string{"up", "--listen", "127.0.0.1:0", "--data", ts.MkAbs("data")}, args...)...)
	cmd.Path = filepath.Join(strings.Split(ts.Getenv("PATH"), ":")[0], "cadre")
	cmd.Err = nil
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "GOPROXY", "CADRE_BOOTSTRAP_API_KEY", "CADRE_SCRIPT_DIR"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	s := &serverProcess{cmd: cmd, errs: &strings.Builder{}}
	cmd.Stderr = s.errs
	ts.Check(cmd.Start())
	ts.Defer(func() {
		if err := s.stop(); err != nil {
			ts.Logf("%v", err)
		}
	})
	text, err := readUntil(out, "  Stop ")
	ts.Check(os.WriteFile(ts.MkAbs("up.txt"), []byte(text), 0o600))
	if err != nil {
		_ = s.stop()
		ts.Fatalf("cadre up did not come up: %v\n%s\n%s", err, text, s.errs)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "Console" {
			ts.Setenv("URL", f[1])
		}
	}
	ts.Setenv("UP_PID", fmt.Sprint(cmd.Process.Pid))
}

// signIn signs in by the link that up showed, as a browser does.
func signIn(ts *testscript.TestScript, neg bool, args []string) {
	link := regexp.MustCompile(regexp.QuoteMeta(ts.Getenv("URL")) + `/sign-in/link/\w+`).FindString(ts.ReadFile("up.txt"))
	if link == "" {
		ts.Fatalf("up showed no link")
	}
	jar, err := cookiejar.New(nil)
	ts.Check(err)
	browser := http.Client{Jar: jar, Timeout: 30 * time.Second}
	for _, step := range []func() (*http.Response, error){
		func() (*http.Response, error) { return browser.Get(link) },
		func() (*http.Response, error) { return browser.PostForm(link, nil) },
		func() (*http.Response, error) { return browser.Get(ts.Getenv("URL") + "/api/v1/whoami") },
	} {
		res, err := step()
		ts.Check(err)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			ts.Fatalf("%s %s: %s", res.Request.Method, res.Request.URL.Path, res.Status)
		}
	}
}

// stop ends the server as Ctrl-C does.
func stop(ts *testscript.TestScript, neg bool, args []string) {
	pid := 0
	_, err := fmt.Sscan(ts.Getenv("UP_PID"), &pid)
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGINT))
	deadline := time.Now().Add(30 * time.Second)
	for syscall.Kill(pid, 0) == nil && !zombie(pid) {
		if time.Now().After(deadline) {
			ts.Fatalf("cadre up does not stop")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// zombie says whether a process has ended and waits for us to notice.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	return err != nil || strings.HasPrefix(rest, "Z")
}

// readUntil reads lines up to one that begins with a text.
func readUntil(r io.Reader, begin string) (string, error) {
	var text strings.Builder
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), begin) {
			return text.String(), nil
		}
	}
	return text.String(), errors.Join(errors.New("output ended"), lines.Err())
}

// mode FILE BITS checks a file's permissions.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

// setID NAME sets a variable to the id on the "Run ID:" line of the last command's output.
func setID(ts *testscript.TestScript, neg bool, args []string) {
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if id, ok := strings.CutPrefix(line, "Run ID: "); ok {
			ts.Setenv(args[0], strings.TrimSpace(id))
			return
		}
	}
	ts.Fatalf("no line with a run id")
}

// poll TEXT COMMAND... repeats a command until its output contains a text, for at most 30 seconds.
func poll(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(30 * time.Second)
	for {
		_ = ts.Exec(args[1], args[2:]...)
		if strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%v does not say %q", args[1:], args[0])
		}
		time.Sleep(50 * time.Millisecond)
	}
}
