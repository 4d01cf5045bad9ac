package oz

import (
	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/memory"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/model"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/skill"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

// toolset is what the model may call, in the order it is told.
type toolset struct {
	list   []tool.Tool
	byName map[string]tool.Tool
}

func (a *Agent) newToolset(skills *skill.Set, logs string) *toolset {
	w := a.workspace
	list := []tool.Tool{
		&tool.Bash{Shell: a.shell, LogDir: logs},
		&tool.ReadFile{Workspace: w}, &tool.WriteFile{Workspace: w}, &tool.EditFile{Workspace: w},
		&tool.Glob{Workspace: w}, &tool.Grep{Workspace: w},
		tool.UpdatePlan{}, tool.AskUser{}, tool.SubmitPlan{Blobs: a.s.Sink},
		&tool.ReportArtifact{Workspace: w, Blobs: a.s.Sink, MaxBytes: a.blobBytes()},
	}
	as := a.s.Assignment
	list = append(list, memory.Tools(memory.Config{
		Stores: as.Config.MemoryStores, Root: as.BaseUrl, Token: a.s.Token, Redact: a.s.Redact, Transport: a.cfg.Transport,
	})...)
	if skills.Len() > 0 {
		list = append(list, &skillTool{skills})
	}
	if p := a.s.Peers; p != nil {
		list = append(list, tool.SendMessage{Mail: p}, tool.ListMessages{Mail: p}, &readMessage{tool.ReadMessage{Mail: p}, a.s.Inbox}, &waitForEvents{a})
	}
	if a.servers != nil {
		list = append(list, a.servers.Tools()...)
	}
	ts := &toolset{byName: map[string]tool.Tool{}}
	for _, t := range list {
		name := t.Spec().Name
		if ts.byName[name] == nil {
			ts.byName[name] = t
			ts.list = append(ts.list, t)
		}
	}
	return ts
}

func (ts *toolset) get(name string) tool.Tool { return ts.byName[name] }

func (ts *toolset) readOnly(name string) bool {
	t := ts.byName[name]
	return t != nil && t.Spec().ReadOnly
}

func (ts *toolset) category(name string) api.ActionCategory {
	if t := ts.byName[name]; t != nil {
		return t.Spec().Category
	}
	return api.ActionCategoryIntegration
}

// specs describes the tools; submitting a plan is offered to runs that were asked for one.
func (ts *toolset) specs(planned bool) []model.Tool {
	var out []model.Tool
	for _, t := range ts.list {
		s := t.Spec()
		if _, plan := t.(tool.SubmitPlan); plan && !planned {
			continue
		}
		out = append(out, model.Tool{Name: s.Name, Description: s.Description, Schema: s.Schema})
	}
	return out
}
