package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/fault"
	"github.com/cadrehq/cadre/internal/runner/link"
	"github.com/cadrehq/cadre/internal/runner/redact"
)

// sink is the harness's way out: it redacts, counts and delivers.
type sink struct {
	cfg      *Config
	client   *link.Client
	outbox   *link.Outbox
	deltas   *link.Deltas
	redactor *redact.Redactor
	maxBlob  int64
	private  string                   // where blobs wait that must be read more than once
	acted    func(api.ActionCategory) // called after each action result

	mu      sync.Mutex
	streams map[stream]*redact.Stream
}

type stream struct {
	key  string
	kind api.DeltaKind
}

// Append implements harness.Sink.
func (s *sink) Append(ctx context.Context, entries ...api.NewEntry) (int64, error) {
	for _, e := range entries {
		if e.Type == api.EntryTypeActionResult {
			fault.Here(fault.RunnerAfterAction)
		}
	}
	receipt, err := s.put(ctx, nil, entries...)
	if err != nil {
		return 0, err
	}
	if err := receipt.Wait(ctx); err != nil {
		return 0, err
	}
	for _, e := range entries {
		if e.Type == api.EntryTypeActionResult {
			s.acted(categoryOf(e))
		}
	}
	return receipt.LastSeq(), nil
}

func categoryOf(result api.NewEntry) api.ActionCategory {
	var d struct{ Category api.ActionCategory }
	_ = json.Unmarshal(result.Data, &d)
	return d.Category
}

// put redacts and queues without waiting for durability.
func (s *sink) put(ctx context.Context, report *api.RunnerReport, entries ...api.NewEntry) (*link.Receipt, error) {
	clean := make([]api.NewEntry, len(entries))
	for i, e := range entries {
		e.Data = s.redactor.Bytes(bytes.ToValidUTF8(e.Data, []byte("\uFFFD")))
		if e.CreatedAt.IsZero() {
			e.CreatedAt = s.cfg.Now().UTC()
		}
		clean[i] = e
		s.finish(e)
	}
	if report != nil {
		r := *report
		r.Message = s.redactor.String(r.Message)
		report = &r
	}
	receipt, err := s.outbox.Put(ctx, report, clean...)
	if err == nil && s.cfg.OnEntry != nil {
		for _, e := range clean {
			s.cfg.OnEntry(e)
		}
	}
	return receipt, err
}

// Delta implements harness.Sink.
func (s *sink) Delta(d api.Delta) {
	s.mu.Lock()
	id := stream{d.Key, d.Kind}
	if s.streams[id] == nil {
		s.streams[id] = s.redactor.Stream()
	}
	d.Text = s.streams[id].Next(strings.ToValidUTF8(d.Text, "\uFFFD"))
	s.mu.Unlock()
	s.show(d)
}

func (s *sink) show(d api.Delta) {
	if d.Text == "" {
		return
	}
	s.deltas.Put(d)
	if s.cfg.OnDelta != nil {
		s.cfg.OnDelta(d)
	}
}

// finish forgets the fragments of an entry that is complete now.
func (s *sink) finish(e api.NewEntry) {
	var key string
	switch e.Type {
	case api.EntryTypeAgentMessage, api.EntryTypeAgentReasoning, api.EntryTypeActionResult:
		data, err := api.DecodeEntry(e.Type, e.Data)
		if err != nil {
			return
		}
		switch v := data.(type) {
		case api.AgentMessage:
			key = v.Key
		case api.AgentReasoning:
			key = v.Key
		case api.ActionResult:
			key = v.Key
		}
	}
	if key == "" {
		return
	}
	s.mu.Lock()
	for id := range s.streams {
		if id.key == key {
			delete(s.streams, id)
		}
	}
	s.mu.Unlock()
	s.deltas.Finish(key)
}

// blobInMemory is the largest blob that is kept in memory for repeated attempts.
const blobInMemory = 1 << 20

// PutBlob implements harness.Sink.
func (s *sink) PutBlob(ctx context.Context, kind api.BlobKind, name string, r io.Reader) (api.BlobRef, error) {
	open, done, err := s.spool(r)
	if err != nil {
		return api.BlobRef{}, err
	}
	defer done()
	return s.client.PutBlob(ctx, kind, name, open)
}

// spool redacts a blob and keeps it where it can be read anew for each attempt to send it.
func (s *sink) spool(r io.Reader) (open func() (io.ReadCloser, error), done func(), err error) {
	limited := r
	if s.maxBlob > 0 {
		limited = io.LimitReader(r, s.maxBlob+1)
	}
	var head bytes.Buffer
	n, err := io.CopyN(&head, limited, blobInMemory)
	if errors.Is(err, io.EOF) {
		if err := s.checkBlob(n); err != nil {
			return nil, nil, err
		}
		b := s.redactor.Bytes(head.Bytes())
		return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }, func() {}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := os.CreateTemp(s.private, "blob-")
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = os.Remove(f.Name()) }
	more, err := spoolFile(f, s.redactor, &head, limited)
	if err == nil {
		err = s.checkBlob(n + more)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return func() (io.ReadCloser, error) { return os.Open(f.Name()) }, done, nil
}

// spoolFile writes the whole, so that a secret across the end of the head is found too.
func spoolFile(f *os.File, redactor *redact.Redactor, head *bytes.Buffer, rest io.Reader) (int64, error) {
	clean := redactor.NewWriter(f)
	_, err := clean.Write(head.Bytes())
	var n int64
	if err == nil {
		n, err = io.Copy(clean, rest)
	}
	if err == nil {
		err = clean.Close()
	}
	return n, errors.Join(err, f.Close())
}

func (s *sink) checkBlob(n int64) error {
	if s.maxBlob > 0 && n > s.maxBlob {
		return api.Invalid("content", "larger than the %d bytes allowed", s.maxBlob)
	}
	return nil
}
