package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// past is what the record says about the sandboxes a run had before this one.
type past struct {
	worked bool   // an agent acted in one of them
	lost   bool   // the last one went away while the run was at work
	reason string // why, in the server's words
	// missing are the actions that may have changed the workspace after it was last kept.
	missing []string
	told    string // what the agent was told about the same thing last, if nothing happened since
}

// resume tells the agent, and people, where the conversation goes on in a sandbox that is not what
// the record would make believe: the earlier one was lost, or not everything of it was kept. It is
// silent when the run goes on as it was left.
func (r *execution) resume(ctx context.Context) error {
	if r.cfg.Local {
		return nil // the person's own directory is never replaced
	}
	before := r.past()
	text, level := r.explain(before)
	if text == "" || text == before.told {
		return nil
	}
	entry := api.MakeEntry(r.cfg.Now().UTC(), api.Notice{Level: level, Text: text, Agent: true})
	seq, err := r.sink.Append(ctx, entry)
	if err != nil {
		return err
	}
	r.history = append(r.history, api.Entry{Seq: seq, Type: entry.Type, CreatedAt: entry.CreatedAt,
		Execution: r.assignment.Execution, Data: r.redactor.Bytes(entry.Data)})
	return nil
}

// past reads the record up to where this execution began.
func (r *execution) past() past {
	var p past
	calls := map[string]api.Action{}
	for _, e := range r.history {
		if e.Seq > r.assignment.LastSeq {
			break
		}
		data, err := e.Decode()
		if err != nil {
			continue
		}
		switch d := data.(type) {
		case api.Action:
			calls[d.ID], p.worked, p.told = d, true, ""
		case api.AgentMessage:
			p.worked, p.told = true, ""
		case api.ActionResult:
			call, known := calls[d.ActionID]
			// A result without a key is one no tool produced.
			if known && !call.ReadOnly && changing(d.Category) && d.Key != "" && e.Seq > r.assignment.SnapshotSeq {
				p.missing = append(p.missing, fmt.Sprintf("%s (entry %d)", brief(call), e.Seq))
			}
		case api.ExecutionEvent:
			if d.Event == "ended" {
				p.reason = d.Reason
			}
		case api.StateChange:
			// A sandbox that did not come to work had nothing to lose.
			if d.To == api.RunStateQUEUED && d.From != api.RunStatePENDING && d.From != api.RunStateCLAIMED {
				p.lost = d.From == api.RunStateINPROGRESS
			} else if d.To.Ended() {
				p.lost = false
			}
		case api.Notice:
			if d.Agent {
				p.told = d.Text
			}
		}
	}
	return p
}

// explain words what is to be known; nothing when the run goes on as it was left.
func (r *execution) explain(p past) (string, api.NoticeLevel) {
	back := r.restored
	if !p.worked && r.assignment.Execution == 1 {
		return handedOver(back, r.assignment.SnapshotUrl != "")
	}
	if !p.worked && len(back.problems) == 0 {
		return "", ""
	}
	if r.cfg.Workdir != "" {
		if !p.lost {
			return "", ""
		}
		return "The process this run worked in was lost (" + p.reason + ") and started anew. Its directory is as that left it; " +
			"processes that were running are gone.", api.NoticeInfo
	}
	if !p.lost && len(p.missing) == 0 && len(back.problems) == 0 {
		return "", ""
	}
	var b strings.Builder
	if p.lost {
		fmt.Fprintf(&b, "The sandbox this run worked in was lost (%s). It goes on in a new one; processes that were running are gone.", p.reason)
	} else {
		b.WriteString("This run goes on in a new sandbox.")
	}
	b.WriteString(r.workspaceNow())
	level := api.NoticeInfo
	if len(p.missing) > 0 {
		level = api.NoticeWarning
		b.WriteString(" Changes that these later actions made are not in it: " + recent(p.missing) + ".")
	} else if p.lost {
		b.WriteString(" No finished action is missing from it.")
	}
	if len(back.problems) > 0 {
		level = api.NoticeWarning
		b.WriteString(" Not everything could be restored: " + list(back.problems) + ".")
	}
	if p.lost && len(back.omitted) > 0 {
		b.WriteString(" The snapshot leaves out: " + list(back.omitted) + ".")
	}
	return b.String(), level
}

// handedOver tells of a workspace that was brought along from another machine: what is uncommitted there
// is so here, and what could not be applied is missing.
func handedOver(back restoration, given bool) (string, api.NoticeLevel) {
	if !given {
		return "", ""
	}
	if !back.done {
		return "The work that was to be brought along from another machine could not be applied: " + list(back.problems) + ". The workspace begins without it.", api.NoticeWarning
	}
	text, level := "The workspace begins with work brought along from another machine, changes that are not committed included.", api.NoticeInfo
	if len(back.problems) > 0 {
		text, level = text+" Not everything could be applied: "+list(back.problems)+".", api.NoticeWarning
	}
	if len(back.omitted) > 0 {
		text += " Left out there: " + list(back.omitted) + "."
	}
	return text, level
}

// workspaceNow says what this execution began with.
func (r *execution) workspaceNow() string {
	if r.restored.done {
		return fmt.Sprintf(" The workspace was restored from the snapshot stored after entry %d.", r.assignment.SnapshotSeq)
	}
	why, what := "There was no snapshot to restore", "the workspace is empty"
	if r.assignment.SnapshotUrl != "" {
		why = "Its snapshot could not be restored"
	}
	if len(r.repos) > 0 {
		what = "the repositories are cloned anew"
	}
	return " " + why + ": " + what + "."
}

// recent joins the last of many actions: what came last is most likely to be relied on.
func recent(all []string) string {
	const most = 12
	if more := len(all) - most; more > 0 {
		return fmt.Sprintf("%d earlier ones; ", more) + strings.Join(all[more:], "; ")
	}
	return strings.Join(all, "; ")
}

// brief names an action in a few words: its tool and what it was about.
func brief(a api.Action) string {
	var in struct{ Command, Path string }
	_ = json.Unmarshal(a.Input, &in)
	about := in.Command + in.Path
	about, _, more := strings.Cut(strings.TrimSpace(about), "\n")
	if about = strings.ReplaceAll(about, "`", "'"); about == "" {
		return a.Name
	}
	if short := clip(about, 80); short != about || !more {
		about = short
	} else {
		about += "…"
	}
	return a.Name + " `" + about + "`"
}
