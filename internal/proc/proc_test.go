//go:build linux

package proc

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if err := Adopt(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	const rest = " 7 8 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 100 1 18446744073709551615"
	for text, want := range map[string]Process{
		"12 (bash) S" + rest:                  {Parent: 7, Session: 9, Start: 4242},
		"12 (a) Z 1 (b) c) Z" + rest:          {Parent: 7, Session: 9, Start: 4242, Ended: true},
		"12 () X" + rest + "\n":               {Parent: 7, Session: 9, Start: 4242, Ended: true},
		"12 (new\nline) R" + rest + " more\n": {Parent: 7, Session: 9, Start: 4242},
	} {
		if got, ok := parseStat([]byte(text)); !ok || got != want {
			t.Errorf("%q: %+v %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "12", "12 (bash)", "12 (bash) S 1 2 3", ")"} {
		if got, ok := parseStat([]byte(text)); ok {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestListKnowsUs(t *testing.T) {
	t.Parallel()
	us, ok := List()[os.Getpid()]
	if !ok || us.Parent != os.Getppid() || us.Ended || us.Start == 0 || us.Start > Ticks() {
		t.Errorf("%+v %v, now %d", us, ok, Ticks())
	}
}

// begin starts a shell script that prints the pid of a process that got away from it.
func begin(t *testing.T, script string, env ...string) (cmd *exec.Cmd, pid int) {
	t.Helper()
	cmd = exec.Command("bash", "-c", script)
	cmd.Env = append(os.Environ(), env...)
	Group(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return cmd, pid
}

func running(pid int) bool {
	p, ok := List()[pid]
	return ok && !p.Ended
}

// However a process tries to get away, it is found: by what it carries or by whom it descends from.
func TestKill(t *testing.T) {
	t.Parallel()
	const away = `setsid bash -c 'echo $$; exec sleep 600' & disown; sleep 600`
	for name, c := range map[string]struct {
		script string
		grace  time.Duration
		roots  bool
	}{
		"another session":      {script: away},
		"ignores SIGTERM":      {script: `setsid bash -c 'trap "" TERM; echo $$; while :; do sleep 600; done' & sleep 600`, grace: 50 * time.Millisecond},
		"without its cookie":   {script: `env -u PROC_TEST setsid bash -c 'echo $$; exec sleep 600' & sleep 600`, roots: true},
		"orphaned":             {script: `(setsid bash -c 'echo $$; exec sleep 600' &) ; sleep 600`},
		"forks as it is ended": {script: `setsid bash -c 'trap "bash -c \"sleep 600\" & sleep 600" TERM; echo $$; while :; do sleep 0.01; done' & sleep 600`, grace: 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			since := Ticks()
			cookie := Cookie{"PROC_TEST", name + fmt.Sprint(os.Getpid())}
			cmd, pid := begin(t, c.script, cookie.String())
			tree := Tree{Cookies: []Cookie{cookie}, Since: since, Spare: []int{os.Getpid()}}
			if c.roots {
				tree.Roots = []int{cmd.Process.Pid}
			}
			if found := tree.Members(); !slices.Contains(found, pid) || !slices.Contains(found, cmd.Process.Pid) {
				t.Errorf("found %v, not %d and %d", found, cmd.Process.Pid, pid)
			}
			if err := tree.Kill(t.Context(), c.grace); err != nil {
				t.Error(err)
			}
			if running(pid) || len(tree.Members()) > 0 {
				t.Errorf("%d runs on; %v", pid, tree.Members())
			}
			_ = cmd.Wait()
		})
	}
}

// What began before the tree did is not of it, whatever it carries; and what is spared lives.
func TestSinceAndSpare(t *testing.T) {
	t.Parallel()
	cookie := Cookie{"PROC_TEST", "since"}
	cmd, pid := begin(t, "echo $$; exec sleep 600", cookie.String())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for _, tree := range []Tree{
		{Cookies: []Cookie{cookie}, Since: Ticks() + 100}, {Cookies: []Cookie{cookie}, Spare: []int{pid}}, {Cookies: []Cookie{{"PROC_TEST", "sinc"}}}, {},
	} {
		if err := tree.Kill(t.Context(), 0); err != nil || !running(pid) {
			t.Fatalf("%+v: %v, running %v", tree, err, running(pid))
		}
	}
	if got := Carrying("PROC_TEST")[pid]; got != "since" {
		t.Errorf("carries %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// An ended context leaves no grace.
	if err := (Tree{Cookies: []Cookie{cookie}}).Kill(ctx, time.Hour); err != nil || running(pid) {
		t.Errorf("%v, running %v", err, running(pid))
	}
}

// Children that only wait to be collected count as children: nobody is called childless too early.
func TestChildren(t *testing.T) {
	t.Parallel()
	cmd, pid := begin(t, "sleep 600 & echo $!; wait")
	if got, ok := Children(cmd.Process.Pid); !ok || !slices.Contains(got, pid) || childless([]int{cmd.Process.Pid}) {
		t.Errorf("children %v %v, want %d", got, ok, pid)
	}
	if got, ok := Children(pid); !ok || len(got) > 0 || !childless([]int{pid}) {
		t.Errorf("children of sleep %v %v", got, ok)
	}
	if got, ok := Children(os.Getpid()); !ok || !slices.Contains(got, cmd.Process.Pid) || !Adopted() {
		t.Errorf("our children %v %v", got, ok)
	}
	tree := Tree{Roots: []int{cmd.Process.Pid}, Closed: true}
	if found := tree.Members(); !slices.Contains(found, pid) {
		t.Errorf("found %v", found)
	}
	if err := tree.Kill(t.Context(), 0); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	if _, ok := Children(cmd.Process.Pid); ok || childless([]int{cmd.Process.Pid}) {
		t.Error("a process that is gone was asked")
	}
}

// Reading is granted around what is hidden, piece by piece.
func TestGrants(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"home/.ssh", "home/code", "root/mine", "root/other"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	write, read, err := Confinement{Write: []string{at("root/mine"), at("home"), at("gone")}, Hide: []string{at("home/.ssh"), at("root"), at("gone/too")}}.grants()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{at("root/mine")}; !slices.Equal(write, want) {
		t.Errorf("write %v, want %v", write, want)
	}
	for path, want := range map[string]bool{
		at("home/code"): true, at("home/.ssh"): false, at("root/other"): false, at("home"): false, dir: false, "/usr": true,
	} {
		got := slices.ContainsFunc(read, func(r string) bool { return within(path, r) })
		if got != want {
			t.Errorf("reading %s granted: %v", path, got)
		}
	}
}
