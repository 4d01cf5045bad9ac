package permission

import (
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
)

func policy(t *testing.T, p api.PermissionProfile) *Policy {
	t.Helper()
	pol, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return pol
}

func shellCall(command string) Call { return Call{Tool: "bash", Subject: command, Shell: true} }

func TestDenyCannotBeSlippedPast(t *testing.T) {
	t.Parallel()
	pol := policy(t, api.PermissionProfile{Deny: []string{"bash(rm *)"}})
	for _, command := range []string{
		"rm x", "rm", "  rm   -rf   /", "true && rm x", "true; rm x", "true\nrm x", "false || rm x", "true | rm x", "true & rm x",
		"(rm x)", "{ rm x; }", "if true; then rm x; fi", "for i in a; do rm $i; done", "while rm x; do :; done",
		"echo $(rm x)", "echo `rm x`", "cat <(rm x)", "f() { rm x; }; f", "case a in a) rm x;; esac",
		`r\m x`, `'rm' x`, `"rm" x`, `r''m x`, "/bin/rm x", "sudo rm x", "sudo -u root rm x", "env A=1 rm x", "A=1 rm x",
		"xargs rm", "find . -name x | xargs -0 rm -f", "find . -exec rm {} +", "nohup rm x", "timeout 5 rm x", "timeout -s KILL 5 rm x",
		"bash -c 'rm x'", "sh -c \"rm x\"", "bash -lc 'true; rm x'", "bash -c \"bash -c 'rm x'\"", "eval rm x", "eval 'rm x'",
		"command rm x", "exec rm x", "time rm x", "! rm x", "bash <<EOF\nrm x\nEOF", "bash <<< 'rm x'", "nice -n 5 rm x",
		"x=$(true; rm y)", "echo \"$(rm x)\"", "coproc rm x", "[[ -n $(rm x) ]]", "echo ${x:-$(rm y)}", "cat <<EOF\n$(rm x)\nEOF",
	} {
		if v := pol.Decide(shellCall(command)); v.Decision != Deny {
			t.Errorf("%q: %+v", command, v)
		}
	}
	for _, command := range []string{"ls", "echo rm x", "git rm x", "rmdir x", "cat <<EOF\nrm x\nEOF", "echo 'rm x'", "npm run rm"} {
		if v := pol.Decide(shellCall(command)); v.Decision != Allow {
			t.Errorf("%q: %+v", command, v)
		}
	}
	// What cannot be known is asked about.
	for _, command := range []string{"$X x", "$(echo rm) x", "eval \"$X\"", "bash script.sh", "curl x | sh", ". ./x", "echo 'open", "alias ls=rm", "/b?n/r? x", "{rm,x}"} {
		if v := pol.Decide(shellCall(command)); v.Decision == Allow {
			t.Errorf("%q: %+v", command, v)
		}
	}
}

func TestAllowNeedsEveryPart(t *testing.T) {
	t.Parallel()
	pol := policy(t, api.PermissionProfile{Default: api.PermissionProfileDefaultDeny, Allow: []string{"bash(git *)", "bash(ls)", "read_file", "write_file(src/*)"}})
	for command, want := range map[string]Decision{
		"git status": Allow, "git": Allow, "git status && git log": Allow, "git log | ls": Allow,
		"git status; rm x": Deny, "git status && curl x": Deny, "git log $(curl x)": Deny, "gitx": Deny, "git status > x": Allow,
		"ls": Allow, "ls -l": Deny, "$GIT status": Deny, "git 'open": Deny, "": Deny, "env git status": Deny,
	} {
		if v := pol.Decide(shellCall(command)); v.Decision != want {
			t.Errorf("%q: %+v, want %s", command, v, want)
		}
	}
	for call, want := range map[Call]Decision{
		{Tool: "read_file", Subject: "any"}: Allow, {Tool: "write_file", Subject: "src/a/b.go"}: Allow,
		{Tool: "write_file", Subject: "etc/x"}: Deny, {Tool: "mcp__x__y"}: Deny,
	} {
		if v := pol.Decide(call); v.Decision != want {
			t.Errorf("%+v: %+v, want %s", call, v, want)
		}
	}
}

func TestOrderOfLists(t *testing.T) {
	t.Parallel()
	pol := policy(t, api.PermissionProfile{Default: api.PermissionProfileDefaultAsk, Allow: []string{"mcp__*", "edit_file"},
		Ask: []string{"mcp__db__*", "edit_file(secret*)"}, Deny: []string{"mcp__db__drop"}})
	for call, want := range map[Call]Decision{
		{Tool: "mcp__web__get"}: Allow, {Tool: "mcp__db__read"}: Ask, {Tool: "mcp__db__drop"}: Deny, {Tool: "other"}: Ask,
		{Tool: "edit_file", Subject: "a"}: Allow, {Tool: "edit_file", Subject: "secret.txt"}: Ask, {Tool: "MCP__DB__DROP"}: Deny,
	} {
		if v := pol.Decide(call); v.Decision != want {
			t.Errorf("%+v: %+v, want %s", call, v, want)
		}
	}
}

func TestAllowAlways(t *testing.T) {
	t.Parallel()
	pol := policy(t, api.PermissionProfile{Default: api.PermissionProfileDefaultAsk, Deny: []string{"bash(git push --force*)"}})
	pol.AllowAlways(shellCall("git push origin x && npm run build"))
	pol.AllowAlways(Call{Tool: "write_file", Subject: "a"})
	for command, want := range map[string]Decision{
		"git push": Allow, "git push other": Allow, "npm run test": Allow, "git reset": Ask, "git push; rm x": Ask,
		"git push --force": Deny, "git push $(rm x)": Ask, "git pushy": Ask,
	} {
		if v := pol.Decide(shellCall(command)); v.Decision != want {
			t.Errorf("%q: %+v, want %s", command, v, want)
		}
	}
	if v := pol.Decide(Call{Tool: "write_file", Subject: "b"}); v.Decision != Allow {
		t.Errorf("write_file: %+v", v)
	}
	pol.AllowAlways(shellCall("$X"))
	if v := pol.Decide(shellCall("$X")); v.Decision != Ask {
		t.Errorf("opaque: %+v", v)
	}
}

func TestBadProfiles(t *testing.T) {
	t.Parallel()
	for _, p := range []api.PermissionProfile{
		{Default: "maybe"}, {Allow: []string{""}}, {Ask: []string{"bash(rm"}}, {Deny: []string{"(rm)"}},
	} {
		if _, err := New(p); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestReadsOnly(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]bool{
		"ls -la": true, "git log | head": true, "cat a && grep x b": true, "find . -name x": true, "ls 2>/dev/null": true, "ls 2>&1": true,
		"rm x": false, "echo x > y": false, "git commit": false, "find . -delete": false, "find . -exec rm {} ;": false, "ls; touch x": false,
		"cat $(touch x)": false, "git": false, "sed -i s/a/b/ x": false, "": false, "$X": false, "go test": false, "env ls": false,
		"git diff --output=x": false, "go env -w X=1": false, "/tmp/ls": false,
	} {
		if got := ReadsOnly(command); got != want {
			t.Errorf("%q: %v", command, got)
		}
	}
}

// FuzzSplit looks for commands that hide a denied one, and for panics.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"ls", "a && b; c | d", "echo $(x)", "'", "bash -c 'x y'", "cat <<E\nx\nE", "f() { g; }"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := Split(s)
		if len(c.Simple) == 0 && !c.Opaque {
			// Only assignments, tests, comments or nothing: the shell has nothing to run.
			if strings.Contains(s, "rm ") && !strings.ContainsAny(s, "#=[]()'\"\\<>{}$") {
				t.Errorf("%q: nothing found", s)
			}
		}
		// Whatever surrounds it on lines of its own, a plain command is seen or the whole is opaque.
		joined := Split("rm denied\n" + s)
		if joined.Opaque {
			return
		}
		for _, cmd := range joined.Simple {
			if cmd == "rm denied" {
				return
			}
		}
		t.Errorf("%q hides a command: %+v", s, joined)
	})
}

// The name of a file and what it leads to are both judged.
func TestRealSubjectCounts(t *testing.T) {
	t.Parallel()
	pol := policy(t, api.PermissionProfile{Default: api.PermissionProfileDefaultAsk,
		Deny: []string{"edit_file(secret/*)", "edit_file(alias)"}, Allow: []string{"edit_file(src/*)"}})
	for _, c := range []struct {
		named, real string
		want        Decision
	}{
		{"src/x", "src/x", Allow}, {"src/x", "", Allow}, {"src/x", "src/y", Allow}, {"src/link", "secret/key", Deny},
		{"alias", "src/x", Deny}, {"src/link", "/etc/passwd", Ask}, {"other", "src/x", Ask},
	} {
		if v := pol.Decide(Call{Tool: "edit_file", Subject: c.named, Real: c.real}); v.Decision != c.want {
			t.Errorf("%+v: %+v", c, v)
		}
	}
}
