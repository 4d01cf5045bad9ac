package httpapi

import (
	"fmt"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

//go:generate go test -run ^TestPermissionsPage$ . -update

// Operation is a row of the table of operations, for whoever shows or tests it.
type Operation struct {
	ID, Method, Path string              // Path is below api.BasePath
	Permission       identity.Permission // empty: no credential needed
	RunTokens        RunTokens
}

// RunTokens says how far a run token gets with an operation.
type RunTokens string

// How far run tokens get.
const (
	RunTokensNone      RunTokens = "no"
	RunTokensOwnRun    RunTokens = "own run and its descendants"
	RunTokensShared    RunTokens = "yes"
	RunTokensSpeak     RunTokens = "own run"
	RunTokensExecution RunTokens = "own execution"
)

// Operations lists the table of operations, in its order.
func Operations() []Operation {
	reaches := map[reach]RunTokens{
		outOfReach: RunTokensNone, ownRun: RunTokensOwnRun, shared: RunTokensShared, speaks: RunTokensSpeak, execution: RunTokensExecution,
	}
	out := make([]Operation, 0, len(operations))
	for _, op := range operations {
		out = append(out, Operation{op.id, op.method, op.path, op.permission, reaches[op.reach]})
	}
	return out
}

// permissionsPage is docs/permissions.md.
func permissionsPage() string {
	var b strings.Builder
	b.WriteString(`# Who may do what

This page is made from the tables that the server decides by (` + "`make gen`" + `); a test asks a running server
about every line of it, with every kind of caller.

A caller holds permissions by the role in the team it works for. What belongs to another team, or to
another person alone, is not found (404), whatever the role. What can be seen but not done is refused
with ` + "`not_authorized`" + ` (403); a key that is unknown, expired or revoked with ` + "`authentication_required`" + ` (401).

## Permissions

`)
	meanings := []struct {
		p       identity.Permission
		meaning string
	}{
		{identity.PermSelf, "know who one is"},
		{identity.PermAccount, "change what is about oneself: name, password, keys, sign-ins, leaving a team"},
		{identity.PermRead, "see runs, sessions and configuration"},
		{identity.PermCreate, "start runs, and write what agents remember"},
		{identity.PermSteer, "follow up, answer, interrupt, cancel"},
		{identity.PermMessage, "speak and report as a run, see [below](#who-may-speak-to-whom)"},
		{identity.PermManage, "change what is one's own of the configuration"},
		{identity.PermEmploy, "create, change and delete the team's agents"},
		{identity.PermAdminister, "change what is the team's: its configuration, members, invitations and keys"},
		{identity.PermWorker, "connect as a worker, which is handed the team's runs with their secrets"},
		{identity.PermOperate, "manage the people and teams of the installation"},
		{identity.PermReport, "speak for an agent: a run token for its own run, others for local runs only"},
		{identity.PermRunner, "report as the runner of one execution"},
		{identity.PermGateway, "call models for a run"},
	}
	header(&b, "permission", "means", "admin", "member", "viewer", "operator", "run token", "key `runs`", "key `read`", "key `worker`")
	for _, m := range meanings {
		person := func(r identity.Role) identity.Actor { return identity.Actor{Kind: identity.KindUser, Role: r} }
		operator := person("")
		operator.Operator = true
		row := []string{"`" + string(m.p) + "`", m.meaning}
		for _, a := range []identity.Actor{person(identity.RoleAdmin), person(identity.RoleMember), person(identity.RoleViewer), operator, {Kind: identity.KindRun}} {
			row = append(row, tick(a.May(m.p)))
		}
		for _, s := range []identity.Scope{identity.ScopeRuns, identity.ScopeRead, identity.ScopeWorker} {
			row = append(row, tick(identity.ScopeMay(s, m.p)))
		}
		line(&b, row...)
	}
	b.WriteString(`
## Who may speak to whom

A run token sends messages as its own run only: to its parent, to its siblings (the other children of its
parent) and to everything below it. Any other run is not found. It reads and marks the messages of its own
mailbox only, follows what happens to its own run and to those below it, and does not wake a run that a
person cancelled. People and agents send in the name of a run they may steer to runs they may steer, and
see the mailboxes of the runs they see; reading a message marks it, so that it takes ` + "`message`" + `.

An operator holds these beside those of a role; the person of the first start is one. Keys of teams and
agents hold what the role they were made with holds, but for ` + "`account`" + `, ` + "`employ`" + ` and ` + "`operate`" + `, which only people do.
A key with a scope holds what both its role and its scope hold; ` + "`full`" + ` holds nothing back.

Workers connect at ` + "`" + api.WorkerPath + "`" + `, which takes ` + "`worker`" + `. The model gateway below ` + "`/gateway/`" + ` takes
` + "`gateway`" + ` for a live execution.

## Operations

`)
	header(&b, "operation", "", "takes", "run tokens")
	for _, op := range Operations() {
		takes := "nothing"
		if op.Permission != public {
			takes = "`" + string(op.Permission) + "`"
		}
		line(&b, op.ID, fmt.Sprintf("`%s %s`", op.Method, op.Path), takes, string(op.RunTokens))
	}
	return b.String()
}

func tick(yes bool) string {
	if yes {
		return "✓"
	}
	return ""
}

func header(b *strings.Builder, cells ...string) {
	line(b, cells...)
	b.WriteString("|" + strings.Repeat("---|", len(cells)) + "\n")
}

func line(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}
