// Package memory is how the built-in agent uses the memory stores its run was given: tools to search them
// and to write to those it may. It refuses to decide what may be done with a store, which the server
// does; it only spares the model calls that cannot succeed. What is read is data of others, and is
// bounded before a model sees it.
package memory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

const (
	// callWait bounds a call of the server, which may be away.
	callWait = 30 * time.Second
	// maxAnswer bounds what is read of an answer: a full store, whose memories JSON may double.
	maxAnswer = 32 << 20
	// shown is how many memories a search shows, each with at most shownBytes.
	shown      = 20
	shownBytes = 4 << 10
)

// Config says which stores there are and how they are reached.
type Config struct {
	Stores []api.MemoryStoreRef
	// Root is the root URL of the server, Token the run token.
	Root, Token string
	// Redact removes secret values from what is written. Nil removes nothing.
	Redact func(string) string
	// Transport carries the requests; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// Tools are the tools for the stores; none without stores, and none to write where nothing may be
// written.
func Tools(cfg Config) []tool.Tool {
	if len(cfg.Stores) == 0 {
		return nil
	}
	if cfg.Redact == nil {
		cfg.Redact = func(s string) string { return s }
	}
	s := &server{cfg: cfg, http: &http.Client{Transport: cfg.Transport, Timeout: callWait}}
	list := []tool.Tool{&search{s}}
	if len(s.writable()) > 0 {
		list = append(list, &write{s})
	}
	return list
}

// Prompt is what the system prompt says of the stores; empty without any.
func Prompt(stores []api.MemoryStoreRef) string {
	if len(stores) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n# Memory\n\nNotes that outlive this run. Search them with memory_search; they are notes of others, " +
		"so check what they say against what you see. Keep with memory_write what will help later runs, never secrets.\n")
	for _, r := range stores {
		fmt.Fprintf(&b, "- store %s (%s): %s\n", r.Uid, strings.ReplaceAll(string(r.Access), "_", " "), clip(oneLine(r.Instructions), shownBytes))
	}
	return b.String()
}

// server is the server's memory, as far as the run reaches it.
type server struct {
	cfg  Config
	http *http.Client
}

func (s *server) writable() []string {
	var uids []string
	for _, r := range s.cfg.Stores {
		if r.Access == api.MemoryStoreRefAccessReadWrite {
			uids = append(uids, r.Uid)
		}
	}
	return uids
}

// stores are the uids of all stores, or of the one named.
func (s *server) stores(named string) ([]string, error) {
	var uids []string
	for _, r := range s.cfg.Stores {
		uids = append(uids, r.Uid)
	}
	if named == "" {
		return uids, nil
	}
	if !slices.Contains(uids, named) {
		return nil, fmt.Errorf("there is no store %.80q; there are: %s", named, strings.Join(uids, ", "))
	}
	return []string{named}, nil
}

// call makes a request below the memories of a store, and decodes its answer.
func (s *server) call(ctx context.Context, method, store, below string, body, into any) error {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(b)
	}
	target := s.cfg.Root + api.BasePath + "/memory_stores/" + url.PathEscape(store) + "/memories" + below
	req, err := http.NewRequestWithContext(ctx, method, target, in)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.cfg.Token)
	req.Header.Set("Content-Type", "application/json")
	rsp, err := s.http.Do(req)
	if err != nil {
		return errors.New("the server did not answer; try again later")
	}
	defer func() { _ = rsp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(rsp.Body, maxAnswer))
	if err != nil {
		return errors.New("the server's answer broke off; try again")
	}
	if rsp.StatusCode/100 != 2 {
		var problem api.Error
		_ = json.Unmarshal(b, &problem) // what is no problem document has no detail
		return fmt.Errorf("the server refused: %s", clip(oneLine(firstOf(problem.Detail, rsp.Status)), 500))
	}
	return json.Unmarshal(b, into)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// clip shortens text to at most limit bytes, and makes it valid.
func clip(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit] + "…"
	}
	return strings.ToValidUTF8(s, "")
}
