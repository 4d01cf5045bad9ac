// Package permission decides what the built-in agent may do unasked.
//
// It owns the meaning of a permission profile: deny wins over ask, ask over allow, and the default
// takes the rest. A shell command is judged by every simple command in it, however it is chained,
// substituted, wrapped or quoted, so that no rule about a command can be slipped past by putting
// something in front of it. What cannot be read is never allowed by a pattern. The package refuses
// to ask anybody or to remember anything beyond the run.
package permission

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/cadrehq/cadre/api"
)

// Decision is what to do about a call.
type Decision string

// The decisions.
const (
	Allow Decision = "allow"
	Ask   Decision = "ask"
	Deny  Decision = "deny"
)

// Call is what is judged.
type Call struct {
	Tool string
	// Subject is what a pattern in parentheses is matched with: a path, say. Real is what it stands
	// for, when that is something else: where a symlink leads. The stricter verdict counts.
	Subject, Real string
	// Shell says that Subject is a shell command.
	Shell bool
}

// Verdict is a decision and the rule it comes from, in words for people.
type Verdict struct {
	Decision Decision
	Rule     string
}

// Policy judges calls by a profile. It is safe for concurrent use.
type Policy struct {
	fallback         Decision
	allow, ask, deny []rule

	mu       sync.Mutex
	standing []rule // allowed for the rest of the run
}

type rule struct {
	text    string
	tool    *regexp.Regexp
	subject *regexp.Regexp // nil matches everything
}

// New reads a profile. An error names the pattern that is not valid.
func New(p api.PermissionProfile) (*Policy, error) {
	pol := &Policy{fallback: Allow}
	switch p.Default {
	case "", api.PermissionProfileDefaultAllow:
	case api.PermissionProfileDefaultAsk:
		pol.fallback = Ask
	case api.PermissionProfileDefaultDeny:
		pol.fallback = Deny
	default:
		return nil, api.Invalid("permissions.default", "must be allow, ask or deny")
	}
	for _, list := range []struct {
		name     string
		patterns []string
		into     *[]rule
	}{{"allow", p.Allow, &pol.allow}, {"ask", p.Ask, &pol.ask}, {"deny", p.Deny, &pol.deny}} {
		for i, text := range list.patterns {
			r, err := parseRule(text)
			if err != nil {
				return nil, api.Invalid(fmt.Sprintf("permissions.%s[%d]", list.name, i), "%v", err)
			}
			*list.into = append(*list.into, r)
		}
	}
	return pol, nil
}

// parseRule reads `tool` or `tool(glob)`.
func parseRule(text string) (rule, error) {
	name, rest, has := strings.Cut(strings.TrimSpace(text), "(")
	name = strings.TrimSpace(name)
	if name == "" {
		return rule{}, fmt.Errorf("%q names no tool", text)
	}
	r := rule{text: text, tool: glob(strings.ToLower(name))}
	if !has {
		return r, nil
	}
	body, ok := strings.CutSuffix(rest, ")")
	if !ok {
		return rule{}, fmt.Errorf("%q lacks the closing parenthesis", text)
	}
	if prefix, ok := strings.CutSuffix(body, ":*"); ok {
		body = prefix + " *"
	}
	// "git *" means git with or without arguments.
	if prefix, ok := strings.CutSuffix(body, " *"); ok && prefix != "" {
		r.subject = regexp.MustCompile(`(?s)^` + globBody(prefix) + `(\s.*)?$`)
		return r, nil
	}
	r.subject = glob(body)
	return r, nil
}

// glob makes an expression in which * is any text, also across slashes, and ? any character.
func glob(pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)^` + globBody(pattern) + `$`)
}

func globBody(pattern string) string {
	var b strings.Builder
	for _, r := range pattern {
		switch r {
		case '*':
			b.WriteString(`.*`)
		case '?':
			b.WriteString(`.`)
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return b.String()
}

func (r rule) matches(tool, subject string) bool {
	return r.tool.MatchString(strings.ToLower(tool)) && (r.subject == nil || r.subject.MatchString(subject))
}

func find(rules []rule, tool, subject string) (string, bool) {
	for _, r := range rules {
		if r.matches(tool, subject) {
			return r.text, true
		}
	}
	return "", false
}

// about reports whether any rule speaks of the tool.
func about(rules []rule, tool string) bool {
	for _, r := range rules {
		if r.tool.MatchString(strings.ToLower(tool)) {
			return true
		}
	}
	return false
}

// Decide judges a call.
func (p *Policy) Decide(c Call) Verdict {
	if !c.Shell {
		v := p.judge(c.Tool, []string{c.Subject}, false)
		if c.Real != "" && c.Real != c.Subject {
			v = stricter(v, p.judge(c.Tool, []string{c.Real}, false))
		}
		return v
	}
	cmds := Split(c.Subject)
	return p.judge(c.Tool, append(cmds.Simple, c.Subject), cmds.Opaque)
}

func stricter(a, b Verdict) Verdict {
	if a.Decision == Deny || (a.Decision == Ask && b.Decision == Allow) {
		return a
	}
	return b
}

// judge decides over all subjects. The whole of a compound command comes last: it can be denied or
// asked about, but allowing needs every simple command.
func (p *Policy) judge(tool string, subjects []string, opaque bool) Verdict {
	for _, s := range subjects {
		if text, ok := find(p.deny, tool, s); ok {
			return Verdict{Deny, "denied by " + text}
		}
	}
	p.mu.Lock()
	standing := p.standing
	p.mu.Unlock()
	parts := subjects
	if len(subjects) > 1 {
		parts = subjects[:len(subjects)-1]
	}
	if !opaque && every(parts, func(s string) bool { _, ok := find(standing, tool, s); return ok }) {
		return Verdict{Allow, "allowed before for this run"}
	}
	for _, s := range subjects {
		if text, ok := find(p.ask, tool, s); ok {
			return Verdict{Ask, "to be asked by " + text}
		}
	}
	if opaque {
		return p.judgeOpaque(tool)
	}
	if every(parts, func(s string) bool { _, ok := find(p.allow, tool, s); return ok }) {
		return Verdict{Allow, "allowed"}
	}
	return Verdict{p.fallback, "default"}
}

// judgeOpaque decides on a command that cannot be read wholly. Rules about parts of commands may
// be hidden in it, so that it is asked about when there are any.
func (p *Policy) judgeOpaque(tool string) Verdict {
	for _, r := range p.allow {
		if r.subject == nil && r.tool.MatchString(strings.ToLower(tool)) && !about(p.deny, tool) {
			return Verdict{Allow, "allowed by " + r.text}
		}
	}
	if p.fallback == Allow && (about(p.deny, tool) || about(p.ask, tool)) {
		return Verdict{Ask, "a part of the command can only be known when it runs"}
	}
	return Verdict{p.fallback, "default"}
}

func every(list []string, ok func(string) bool) bool {
	for _, s := range list {
		if !ok(s) {
			return false
		}
	}
	return len(list) > 0
}

var subcommand = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

// AllowAlways allows like calls for the rest of the run: for a shell command, the same commands
// (with the same subcommand, when they have one) with any arguments; for any other tool, the tool.
// Deny rules still win.
func (p *Policy) AllowAlways(c Call) {
	var rules []rule
	if !c.Shell {
		rules = append(rules, rule{text: c.Tool, tool: glob(strings.ToLower(c.Tool))})
	} else {
		cmds := Split(c.Subject)
		if cmds.Opaque {
			return // nothing like it can be recognised
		}
		for _, s := range cmds.Simple {
			words := strings.Fields(s)
			if len(words) == 0 {
				continue
			}
			prefix := words[0]
			if len(words) > 1 && subcommand.MatchString(words[1]) {
				prefix += " " + words[1]
			}
			rules = append(rules, rule{text: prefix, tool: glob(strings.ToLower(c.Tool)),
				subject: regexp.MustCompile(`(?s)^` + regexp.QuoteMeta(prefix) + `(\s.*)?$`)})
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.standing = append(p.standing[:len(p.standing):len(p.standing)], rules...)
}
