package permission

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Commands is what a shell command consists of.
type Commands struct {
	// Simple are all simple commands, quotes removed and words joined by one space, also those in
	// substitutions, functions and in the arguments of wrappers such as sudo, env, xargs or sh -c.
	Simple []string
	// Opaque says that part of the command cannot be known before it runs: it does not parse, or a
	// command's name comes from a variable or a substitution, or text is evaluated.
	Opaque bool
	// Writes says that a redirection writes to a file.
	Writes bool
}

// maxCommand bounds what is parsed; longer is opaque. maxDepth bounds shells within shells.
const (
	maxCommand = 256 << 10
	maxDepth   = 5
)

// Split takes a command apart.
func Split(command string) Commands {
	var c Commands
	c.split(command, 0)
	return c
}

func (c *Commands) split(command string, depth int) {
	if depth > maxDepth || len(command) > maxCommand {
		c.Opaque = true
		return
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(command), "")
	if err != nil {
		c.Opaque = true
		if file == nil {
			return
		}
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			c.call(n.Args, depth)
		case *syntax.DeclClause:
			c.Simple = append(c.Simple, n.Variant.Value)
		case *syntax.Redirect:
			c.redirect(n)
		case *syntax.Stmt:
			c.heredocs(n, depth)
		}
		return true
	})
}

func (c *Commands) call(args []*syntax.Word, depth int) {
	if len(args) == 0 {
		return // assignments only
	}
	words := make([]string, len(args))
	known := make([]bool, len(args))
	for i, w := range args {
		words[i], known[i] = literal(w)
	}
	c.words(words, known, depth)
}

// words records a simple command and, when it is a wrapper, what it wraps.
func (c *Commands) words(words []string, known []bool, depth int) {
	if len(words) == 0 || depth > maxDepth {
		c.Opaque = c.Opaque || depth > maxDepth
		return
	}
	if !known[0] {
		c.Opaque = true
	}
	c.Simple = append(c.Simple, strings.Join(words, " "))
	name := words[0]
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		// /bin/rm is rm: a rule about either counts.
		name = name[i+1:]
		c.Simple = append(c.Simple, strings.Join(append([]string{name}, words[1:]...), " "))
	}
	switch {
	case shells[name]:
		c.shell(words[1:], known[1:], depth)
	case name == "eval":
		if all(known) {
			c.split(strings.Join(words[1:], " "), depth+1)
		} else {
			c.Opaque = true
		}
	case name == "source" || name == "." || name == "alias" || name == "trap":
		c.Opaque = true
	case name == "find":
		c.find(words, known, depth)
	case wrappers[name]:
		c.wrapped(words[1:], known[1:], depth)
	}
}

var shells = map[string]bool{"sh": true, "bash": true, "dash": true, "zsh": true, "ksh": true, "ash": true, "busybox": true, "su": true}

var wrappers = map[string]bool{"sudo": true, "doas": true, "env": true, "xargs": true, "nohup": true, "nice": true, "time": true,
	"timeout": true, "command": true, "builtin": true, "exec": true, "stdbuf": true, "setsid": true, "ionice": true, "chroot": true,
	"watch": true, "parallel": true, "unshare": true, "flock": true, "script": true, "strace": true, "taskset": true, "coproc": true}

// shell looks into sh -c and calls everything else a shell is given opaque: a script or its input.
func (c *Commands) shell(words []string, known []bool, depth int) {
	for i, w := range words {
		if strings.HasPrefix(w, "-") && !strings.HasPrefix(w, "--") && strings.Contains(w, "c") && i+1 < len(words) {
			if known[i+1] {
				c.split(words[i+1], depth+1)
			} else {
				c.Opaque = true
			}
			return
		}
	}
	for _, w := range words {
		if w == "--version" || w == "--help" {
			return
		}
	}
	c.Opaque = true
}

// wrapped records every tail of a wrapper's arguments that may be the command it runs: options of
// wrappers take values in too many ways to know which word is the command.
func (c *Commands) wrapped(words []string, known []bool, depth int) {
	for i := range words {
		if !known[i] {
			c.Opaque = true
			return
		}
		w := words[i]
		if strings.HasPrefix(w, "-") || strings.Contains(w, "=") {
			continue
		}
		c.words(words[i:], known[i:], depth+1)
		// The first word that is no option is the command, unless it is an option's value or a
		// duration; then the next may be.
		if isName(w) && (i == 0 || !strings.HasPrefix(words[i-1], "-")) {
			return
		}
	}
}

func isName(w string) bool {
	return w != "" && (w[0] >= 'a' && w[0] <= 'z' || w[0] >= 'A' && w[0] <= 'Z' || w[0] == '/' || w[0] == '.' || w[0] == '_')
}

func (c *Commands) find(words []string, known []bool, depth int) {
	for i, w := range words {
		switch w {
		case "-exec", "-execdir", "-ok", "-okdir":
			if i+1 < len(words) {
				c.words(words[i+1:], known[i+1:], depth+1)
			}
		case "-delete", "-fprint", "-fprintf", "-fls", "-fprint0":
			c.Writes = true
		}
	}
}

func (c *Commands) redirect(n *syntax.Redirect) {
	switch n.Op {
	case syntax.RdrOut, syntax.AppOut, syntax.RdrInOut, syntax.RdrClob, syntax.RdrAll, syntax.AppAll:
		if target, ok := literal(n.Word); !ok || target != "/dev/null" {
			c.Writes = true
		}
	}
}

// heredocs looks into documents given to a shell.
func (c *Commands) heredocs(n *syntax.Stmt, depth int) {
	call, ok := n.Cmd.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 {
		return
	}
	name, _ := literal(call.Args[0])
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	if !shells[name] {
		return
	}
	for _, r := range n.Redirs {
		doc := r.Hdoc
		if r.Op == syntax.WordHdoc {
			doc = r.Word
		}
		if doc == nil {
			continue
		}
		if text, ok := literal(doc); ok {
			c.split(text, depth+1)
		}
	}
}

// literal returns a word's text without quotes, and whether that is all there is to it.
func literal(w *syntax.Word) (string, bool) {
	if w == nil {
		return "", false
	}
	var b strings.Builder
	ok := parts(&b, w.Parts, false)
	return b.String(), ok
}

func parts(b *strings.Builder, list []syntax.WordPart, quoted bool) bool {
	ok := true
	for _, p := range list {
		switch p := p.(type) {
		case *syntax.Lit:
			b.WriteString(unescape(p.Value, quoted))
			if !quoted && strings.ContainsAny(p.Value, "*?[{~") {
				ok = ok && !strings.ContainsAny(p.Value, "{~*?[")
			}
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
			ok = ok && !p.Dollar
		case *syntax.DblQuoted:
			ok = parts(b, p.Parts, true) && ok
		default:
			_ = syntax.NewPrinter().Print(b, p)
			ok = false
		}
	}
	return ok
}

// unescape removes backslashes as the shell would.
func unescape(s string, quoted bool) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
			if s[i] == '\n' {
				continue
			}
			if quoted && !strings.ContainsRune("$`\"\\", rune(s[i])) {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func all(known []bool) bool {
	for _, k := range known {
		if !k {
			return false
		}
	}
	return true
}

// reading are commands that change nothing whatever their arguments; values list the subcommands
// that change nothing, and none when the command is safe as such.
var reading = map[string][]string{
	"ls": nil, "cat": nil, "head": nil, "tail": nil, "wc": nil, "grep": nil, "egrep": nil, "fgrep": nil, "rg": nil, "find": nil,
	"pwd": nil, "cd": nil, "echo": nil, "printf": nil, "stat": nil, "file": nil, "du": nil, "df": nil, "tree": nil, "which": nil,
	"type": nil, "uname": nil, "whoami": nil, "id": nil, "date": nil, "diff": nil, "cmp": nil, "cut": nil, "tr": nil,
	"uniq": nil, "nl": nil, "basename": nil, "dirname": nil, "realpath": nil, "readlink": nil, "true": nil, "false": nil,
	"test": nil, "[": nil, "jq": nil, "ps": nil, "sha256sum": nil, "md5sum": nil, "od": nil, "xxd": nil, "column": nil,
	"git": {"status", "log", "diff", "show", "blame", "grep", "ls-files", "ls-tree", "rev-parse", "describe", "shortlog", "cat-file", "merge-base", "rev-list"},
	"go":  {"version", "list", "doc", "env"},
}

// ReadsOnly reports whether a command certainly changes nothing: what may run while a plan is made.
func ReadsOnly(command string) bool {
	c := Split(command)
	if c.Opaque || c.Writes || len(c.Simple) == 0 {
		return false
	}
	for _, s := range c.Simple {
		words := strings.Fields(s)
		if len(words) == 0 {
			return false
		}
		subs, ok := reading[words[0]]
		if !ok || strings.Contains(s, "--output") || strings.Contains(s, " -w") {
			return false
		}
		if subs != nil && (len(words) < 2 || !contains(subs, words[1])) {
			return false
		}
		if words[0] == "rg" && strings.Contains(s, "--pre") {
			return false
		}
	}
	return true
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
