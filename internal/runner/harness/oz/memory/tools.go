package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

// search finds memories.
type search struct{ s *server }

type searchInput struct {
	Query string `json:"query"`
	Store string `json:"store"`
}

// Spec describes the tool.
func (t *search) Spec() tool.Spec {
	return tool.Spec{Name: "memory_search", Category: api.ActionCategorySearch, ReadOnly: true,
		Description: "Search the notes of earlier runs and people. Gives notes that contain any of the words, those with most first; without words the latest.",
		Schema: json.RawMessage(`{"type":"object","properties":{"query":{"type":"string","description":"Words."},
			"store":{"type":"string","description":"Uid of one store; all when left out."}}}`)}
}

// Run searches each store and shows what was found in the order of the stores.
func (t *search) Run(ctx context.Context, c tool.Call) (tool.Result, error) {
	var in searchInput
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return tool.Failf("invalid arguments: %v", err), nil
	}
	uids, err := t.s.stores(in.Store)
	if err != nil {
		return tool.Failf("%v", err), nil
	}
	var b strings.Builder
	left := shown
	for _, uid := range uids {
		var found api.ListMemoriesResponse
		err := t.s.call(ctx, http.MethodGet, uid, "?"+url.Values{"q": {in.Query}}.Encode(), nil, &found)
		if err != nil {
			return failed(ctx, err)
		}
		for i, m := range found.Memories {
			if left == 0 {
				fmt.Fprintf(&b, "%d more in store %s: narrow the query.\n", len(found.Memories)-i, uid)
				break
			}
			left--
			b.WriteString(note(uid, m))
		}
	}
	if b.Len() == 0 {
		return tool.Result{Text: "Nothing found."}, nil
	}
	return tool.Result{Text: b.String()}, nil
}

// note shows a memory with where it is from.
func note(store string, m api.Memory) string {
	from := ""
	if m.SourceRunId != "" {
		from = ", from run " + m.SourceRunId
	}
	return fmt.Sprintf("[memory_id %s, store %s, %s%s]\n%s\n\n", m.Uid, store, m.UpdatedAt.UTC().Format(time.DateOnly), from, clip(m.Content, shownBytes))
}

// write adds a memory or corrects one.
type write struct{ s *server }

type writeInput struct {
	Content  string `json:"content"`
	Reason   string `json:"reason"`
	MemoryID string `json:"memory_id"`
	Store    string `json:"store"`
}

// Spec describes the tool.
func (t *write) Spec() tool.Spec {
	return tool.Spec{Name: "memory_write", Category: api.ActionCategoryDocuments,
		Description: "Keep a note for later runs: one fact or rule, short and complete by itself. With memory_id it replaces that note, which is better than a second one that says otherwise.",
		Schema: json.RawMessage(`{"type":"object","properties":{"content":{"type":"string"},
			"reason":{"type":"string","description":"Why it is worth keeping."},
			"memory_id":{"type":"string","description":"Note to replace."},
			"store":{"type":"string","description":"Uid of the store; needed when several can be written."}},"required":["content","reason"]}`)}
}

// Run writes the memory, without secret values.
func (t *write) Run(ctx context.Context, c tool.Call) (tool.Result, error) {
	var in writeInput
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return tool.Failf("invalid arguments: %v", err), nil
	}
	store, err := t.target(in.Store)
	if err != nil {
		return tool.Failf("%v", err), nil
	}
	content, reason := t.s.cfg.Redact(in.Content), t.s.cfg.Redact(in.Reason)
	var done api.MemoryWritten
	if in.MemoryID == "" {
		err = t.s.call(ctx, http.MethodPost, store, "", api.CreateMemoryRequest{Content: content, Reason: reason}, &done)
	} else {
		err = t.s.call(ctx, http.MethodPut, store, "/"+url.PathEscape(in.MemoryID), api.UpdateMemoryRequest{Content: content, Reason: reason}, &done)
	}
	if err != nil {
		return failed(ctx, err)
	}
	return tool.Result{Text: "Kept as memory_id " + done.MemoryId + ".", Detail: map[string]string{"store": store, "memory_id": done.MemoryId}}, nil
}

// target is the store to write to: the one named, or the only one.
func (t *write) target(named string) (string, error) {
	can := t.s.writable()
	if named == "" && len(can) == 1 {
		return can[0], nil
	}
	for _, uid := range can {
		if uid == named {
			return uid, nil
		}
	}
	return "", fmt.Errorf("name a store that can be written: %s", strings.Join(can, ", "))
}

// failed is the result of a call that failed: an error only if the run is ending.
func failed(ctx context.Context, err error) (tool.Result, error) {
	if ctx.Err() != nil {
		return tool.Failf("%v", err), context.Cause(ctx)
	}
	return tool.Failf("%v", err), nil
}
