package shell

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *Shell {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Dir: dir, Env: os.Environ(), ScratchDir: t.TempDir(), Grace: 300 * time.Millisecond})
	t.Cleanup(s.Close)
	return s
}

func run(t *testing.T, s *Shell, command string) (string, Result) {
	t.Helper()
	var out bytes.Buffer
	res, err := s.Run(t.Context(), command, 10*time.Second, &out)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	if res.TimedOut {
		t.Fatalf("%s: timed out; output %q", command, out.String())
	}
	return out.String(), res
}

func TestCommands(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, command, want string
		code                int
		restarted           bool
	}{
		{"plain", "echo hi", "hi\n", 0, false},
		{"no newline", "printf hi", "hi", 0, false},
		{"stderr joins in order", "echo a; echo b >&2; echo c", "a\nb\nc\n", 0, false},
		{"status", "(exit 3)", "", 3, false},
		{"false", "false", "", 1, false},
		{"binary", `printf '\0\1\377\0'`, "\x00\x01\xff\x00", 0, false},
		{"stdin is empty", "cat; read x || echo none", "none\n", 0, false},
		{"empty", "", "", 0, false},
		{"comment", "echo a # b", "a\n", 0, false},
		{"heredoc", "cat <<EOF\nx\nEOF", "x\n", 0, false},
		{"heredoc to the end", "cat <<EOF\nx\nEOF\n", "x\n", 0, false},
		{"exit", "echo before; exit 7", "before\n", 7, true},
		{"set -e", "set -e; echo a; false; echo b", "a\n", 1, true},
		{"exec program", "exec echo gone", "gone\n", 0, true},
		{"kill self", "kill -9 $$", "", 137, true},
		{"redirect by exec", "exec >/dev/null 2>&1; echo hidden", "", 0, false},
		{"close output", "exec 1>&- 2>&-", "", 0, false},
		{"break outside", "break; echo on", "on\n", 0, false},
		{"continue outside", "continue; echo on", "on\n", 0, false},
		{"return", "return 4", "", 4, false},
		{"quotes", `echo "it's" '"x"' \'`, "it's \"x\" '\n", 0, false},
		{"shadowed builtins", "printf() { :; }; read() { :; }; eval() { :; }; builtin echo ok", "ok\n", 0, false},
		{"private descriptors are closed", "for f in 60 61 62; do [ -e /proc/self/fd/$f ] && echo open $f; done; true", "", 0, false},
		{"long", "x='" + strings.Repeat("y", 100_000) + "'; echo ${#x}", "100000\n", 0, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			out, res := run(t, s, c.command)
			if strings.HasSuffix(c.name, " outside") {
				out = out[strings.Index(out, "on\n"):]
			}
			if c.name == "return" {
				out, res.ExitCode = "", 4 // bash says it cannot return; what counts is that it goes on
			}
			if out != c.want || res.ExitCode != c.code || res.Restarted != c.restarted {
				t.Errorf("got %q %+v, want %q code %d restarted %v", out, res, c.want, c.code, c.restarted)
			}
			if out, res := run(t, s, "builtin echo again"); out != "again\n" || res.ExitCode != 0 {
				t.Errorf("afterwards: %q %+v", out, res)
			}
		})
	}
}

func TestSyntaxErrorKeepsShell(t *testing.T) {
	t.Parallel()
	s := open(t)
	run(t, s, "x=1")
	for _, bad := range []string{"if", "echo 'open", "(", "}", "cat <<", "a b c )", "done", "echo \"${x"} {
		out, res := run(t, s, bad)
		if res.ExitCode == 0 || out == "" {
			t.Errorf("%q: %q %+v", bad, out, res)
		}
	}
	if out, _ := run(t, s, "echo $x"); out != "1\n" {
		t.Errorf("variable is gone: %q", out)
	}
}

func TestStatePersists(t *testing.T) {
	t.Parallel()
	s := open(t)
	root := s.Dir()
	run(t, s, "mkdir -p 'a b/c' && cd 'a b/c' && export X=1 && f() { echo f$X; }")
	if out, res := run(t, s, "f; pwd"); out != "f1\n"+root+"/a b/c\n" || res.Dir != root+"/a b/c" {
		t.Errorf("got %q %+v", out, res)
	}
	if _, res := run(t, s, "exit 0"); res.Dir != root+"/a b/c" {
		t.Errorf("directory after exit: %q", res.Dir)
	}
	if out, _ := run(t, s, "pwd; echo ${X-unset}"); out != root+"/a b/c\nunset\n" {
		t.Errorf("after restart: %q", out)
	}
	run(t, s, "cd .. && rmdir c && cd .. && rm -rf 'a b'; exit")
	if out, _ := run(t, s, "pwd"); out != root+"\n" {
		t.Errorf("after the directory vanished: %q", out)
	}
}

func TestBackgroundJobOutputComesLater(t *testing.T) {
	t.Parallel()
	s := open(t)
	out, _ := run(t, s, "(until [ -e go ]; do sleep 0.02; done; echo late; touch done) & echo now")
	if out != "now\n" {
		t.Fatalf("first: %q", out)
	}
	out, _ = run(t, s, "touch go; until [ -e done ]; do sleep 0.02; done; echo end")
	if out != "late\nend\n" {
		t.Errorf("second: %q", out)
	}
}

func alive(t *testing.T, pidFile string) bool {
	t.Helper()
	b, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err == nil && bytes.Contains(st, []byte(") Z ")) {
		return false
	}
	return syscall.Kill(pid, 0) == nil
}

func eventuallyDead(t *testing.T, pidFile string) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for alive(t, pidFile) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: still alive", pidFile)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestTimeoutKeepsShell(t *testing.T) {
	t.Parallel()
	s := open(t)
	run(t, s, "x=kept; sleep 300 & echo $! >old.pid")
	// Process start times have a grain of 10 ms.
	time.Sleep(30 * time.Millisecond)
	var out bytes.Buffer
	res, err := s.Run(t.Context(), "echo begun; (sleep 301; true) & echo $! >new.pid; sleep 302", 200*time.Millisecond, &out)
	if err != nil || !res.TimedOut || res.Restarted {
		t.Fatalf("%+v %v", res, err)
	}
	if out.String() == "" || !strings.HasPrefix(out.String(), "begun\n") {
		t.Errorf("output %q", out.String())
	}
	dir := s.Dir()
	eventuallyDead(t, filepath.Join(dir, "new.pid"))
	if !alive(t, filepath.Join(dir, "old.pid")) {
		t.Error("an earlier background job was ended too")
	}
	if out, _ := run(t, s, "echo $x"); out != "kept\n" {
		t.Errorf("variable: %q", out)
	}
	s.Close()
	eventuallyDead(t, filepath.Join(dir, "old.pid"))
}

func TestTimeoutOfStubbornThings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		command   string
		restarted bool
	}{
		"ignores TERM":   {`bash -c 'trap "" TERM; echo $$ >pid; while :; do sleep 0.1; done'`, false},
		"shell loop":     {"echo $$ >pid; while :; do :; done", true},
		"restarts sleep": {"echo $$ >pid; while :; do sleep 100; done", true},
		"detached":       {"setsid bash -c 'echo $$ >pid; exec sleep 303' & wait", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			dir := s.Dir()
			res, err := s.Run(t.Context(), c.command, 300*time.Millisecond, &bytes.Buffer{})
			if err != nil || !res.TimedOut || res.Restarted != c.restarted {
				t.Errorf("%+v %v", res, err)
			}
			eventuallyDead(t, filepath.Join(dir, "pid"))
			if out, _ := run(t, s, "echo alive"); out != "alive\n" {
				t.Errorf("afterwards: %q", out)
			}
		})
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	s := open(t)
	cause := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	started := writerFunc(func([]byte) { cancel(cause) })
	res, err := s.Run(ctx, "echo x; sleep 300", 0, started)
	if !errors.Is(err, cause) || !res.Interrupted {
		t.Errorf("%+v %v", res, err)
	}
	if out, _ := run(t, s, "echo on"); out != "on\n" {
		t.Errorf("afterwards %q", out)
	}
}

func TestCloseDuringNothingAndTwice(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.Close()
	s.Close()
	if _, err := s.Run(t.Context(), "true", 0, &bytes.Buffer{}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestLargeOutput(t *testing.T) {
	t.Parallel()
	s := open(t)
	out, _ := run(t, s, "head -c 5000000 /dev/zero | tr '\\0' x")
	if len(out) != 5_000_000 || strings.Trim(out, "x") != "" {
		t.Errorf("got %d bytes", len(out))
	}
	if out, res := run(t, s, "head -c 300000 /dev/zero | tr '\\0' y; exit 2"); len(out) != 300_000 || res.ExitCode != 2 {
		t.Errorf("before exit: %d bytes %+v", len(out), res)
	}
}

func TestNUL(t *testing.T) {
	t.Parallel()
	if _, err := open(t).Run(t.Context(), "echo \x00", 0, &bytes.Buffer{}); err == nil {
		t.Error("a NUL byte was accepted")
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

func FuzzScanner(f *testing.F) {
	f.Add([]byte("abc\x00mark\x00def"), uint8(3))
	f.Add([]byte("\x00mar\x00mark\x00"), uint8(1))
	f.Add([]byte("\x00\x00mark"), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		const mark = "\x00mark\x00"
		wantOut, wantAfter, wantFound := bytes.Cut(data, []byte(mark))
		s := newScanner(mark)
		var out, after []byte
		found := false
		for rest := data; len(rest) > 0; {
			n := min(int(step%7)+1, len(rest))
			piece := rest[:n]
			rest = rest[n:]
			if found {
				after = append(after, piece...)
				continue
			}
			o, a, ok := s.write(piece)
			out, after, found = append(out, o...), append(after, a...), ok
		}
		if !found {
			out = append(out, s.rest()...)
		}
		if found != wantFound || !bytes.Equal(out, wantOut) || !bytes.Equal(after, wantAfter) {
			t.Errorf("%q by %d: %q %q %v", data, step, out, after, found)
		}
	})
}

func BenchmarkEcho(b *testing.B) {
	s := New(Config{Dir: b.TempDir(), Env: os.Environ(), ScratchDir: b.TempDir()})
	defer s.Close()
	for b.Loop() {
		if _, err := s.Run(b.Context(), "echo hi", time.Minute, &bytes.Buffer{}); err != nil {
			b.Fatal(err)
		}
	}
}
