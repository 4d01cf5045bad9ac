package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

var stateEmoji = map[api.RunState]string{
	api.RunStateQUEUED: "⏳", api.RunStatePENDING: "⏳", api.RunStateCLAIMED: "📦", api.RunStateINPROGRESS: "🔄",
	api.RunStateSUCCEEDED: "✅", api.RunStateFAILED: "❌", api.RunStateERROR: "💥", api.RunStateBLOCKED: "✋",
	api.RunStateCANCELLED: "🚫",
}

// printRun prints the card of a run.
func (a *app) printRun(c *client.Client, r api.RunItem) error {
	head := fmt.Sprintf("%s (%s)", term.CleanLine(r.RunId), term.CleanLine(string(r.State)))
	if a.settings.format == formatPretty {
		head = stateEmoji[r.State] + " " + a.style.Bold(head)
	}
	if _, err := fmt.Fprintln(a.Stdout, head); err != nil {
		return err
	}
	config := ""
	if b, err := marshal(r.AgentConfig); err == nil && string(b) != "{}" {
		config = string(b)
	}
	status := r.StatusMessage.Message
	if code := r.StatusMessage.ErrorCode; code != "" {
		status = fmt.Sprintf("%s (%s)", status, code)
	}
	fields := []field{
		{"Oz", c.RunURL(r.RunId)},
		{"Title", r.Title},
		{"Executed as", who(r.Executor)},
		{"Created by", who(r.Creator)},
		{"Config", config},
		{"Created", r.CreatedAt.UTC().Format(time.RFC3339)},
		{"Status", status},
		{"Waiting", waitingLine(r.Waiting)},
		{"Tokens", tokens(r.RequestUsage)},
		{"Cost", cost(r.RequestUsage)},
		{"Session", r.SessionLink},
	}
	if err := a.printFields(fields); err != nil || len(r.Artifacts) == 0 {
		return err
	}
	fmt.Fprintln(a.Stdout, a.style.Bold("Artifacts")+":")
	for _, art := range r.Artifacts {
		fmt.Fprintln(a.Stdout, "  "+artifactLine(c, art))
	}
	return nil
}

// printAsked prints what a run waits for somebody to decide, with the command that does.
func (a *app) printAsked(ctx context.Context, c *client.Client, runID string) error {
	requests, err := c.Requests(ctx, runID)
	if err != nil {
		return err
	}
	for _, r := range requests {
		if !r.Answer.AnsweredAt.IsZero() {
			continue
		}
		how := "run approve "
		if r.Kind == api.RequestKindQuestion {
			how = "run answer "
		}
		if err := a.printFields([]field{{"Asks", askedLine(r)}, {"Decide", a.typed() + " " + how + runID}}); err != nil {
			return err
		}
	}
	return nil
}

func who(p api.UserProfile) string { return firstNonEmpty(p.DisplayName, p.Email, p.Uid) }

func waitingLine(w api.RunWaiting) string {
	if w.Code == "" {
		return ""
	}
	return fmt.Sprintf("%s (%s, since %s)", w.Message, w.Code, w.Since.UTC().Format(time.RFC3339))
}

func tokens(u api.RequestUsage) string {
	if u.TotalTokens == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", u.TotalTokens)
}

func cost(u api.RequestUsage) string {
	total := u.InferenceCostUsd + u.ComputeCostUsd + u.PlatformCostUsd
	if total == 0 && u.TotalTokens == 0 {
		return ""
	}
	return fmt.Sprintf("$%.4f", total)
}

// artifactLine describes an artifact on one line.
func artifactLine(c *client.Client, art api.Artifact) string {
	d := art.Data
	var s string
	switch art.ArtifactType {
	case api.ArtifactTypePULLREQUEST:
		s = fmt.Sprintf("PR: %s, Branch: %s", d.Url, d.Branch)
	case api.ArtifactTypePLAN:
		s = fmt.Sprintf("Plan: %s (%s)", firstNonEmpty(d.Title, "untitled"), d.DocumentUid)
		if d.NotebookUid != "" {
			s += " " + c.Root() + "/drive/notebook/" + d.NotebookUid
		}
	case api.ArtifactTypeSCREENSHOT:
		s = fmt.Sprintf("Screenshot: %s (%s)", firstNonEmpty(d.Description, d.MimeType), d.ArtifactUid)
	case api.ArtifactTypeFILE:
		s = fmt.Sprintf("File: %s (%s, %s)", firstNonEmpty(d.Filename, d.Filepath), size(d.SizeBytes), d.ArtifactUid)
	default:
		s = fmt.Sprintf("%s: %s", firstNonEmpty(d.ReferenceType, strings.ToLower(string(art.ArtifactType))), firstNonEmpty(d.Url, d.Title))
	}
	return term.CleanLine(s)
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
