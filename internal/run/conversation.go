package run

import (
	"context"
	"fmt"

	"github.com/cadrehq/cadre/api"
)

const (
	// maxCopied bounds the entries a new run takes over from its conversation.
	maxCopied = 20_000
	// maxCopiedBytes bounds their size together.
	maxCopiedBytes = 64 << 20
	copyPage       = 500
)

// copyConversation returns what an earlier run's agent was told, said and did, as the beginning of a
// new run: the conversation is the entries. Facts about that run itself (its states, executions,
// usage, artifacts and start-up) stay with it. It ends with the last entry that is within.
func (s *Service) copyConversation(ctx context.Context, runID string, within func(api.Entry) bool) ([]api.NewEntry, error) {
	c := copied{seq: map[int64]int64{}}
	for after := int64(0); ; {
		page, err := s.cfg.Log.Entries(ctx, runID, after, copyPage)
		if err != nil {
			return nil, fmt.Errorf("read conversation: %w", err)
		}
		for _, e := range page {
			if !within(e) {
				return c.entries, nil
			}
			if err := c.add(e); err != nil {
				return nil, err
			}
			after = e.Seq
		}
		if len(page) < copyPage {
			return c.entries, nil
		}
	}
}

// copied collects entries under new numbers. seq maps a number in the old run to the last new number
// that does not come after it.
type copied struct {
	entries []api.NewEntry
	seq     map[int64]int64
	bytes   int
}

func (c *copied) add(e api.Entry) error {
	data := e.Data
	switch e.Type {
	case api.EntryTypeUserMessage, api.EntryTypeCompaction:
		d, err := e.Decode()
		if err != nil {
			return fmt.Errorf("read conversation: entry %d: %w", e.Seq, err)
		}
		data = api.MakeEntry(e.CreatedAt, c.rebase(d)).Data
	case api.EntryTypeAgentMessage, api.EntryTypeAgentReasoning, api.EntryTypeAction, api.EntryTypeActionResult, api.EntryTypePlan:
	default:
		c.seq[e.Seq] = int64(len(c.entries))
		return nil
	}
	c.entries = append(c.entries, api.NewEntry{Type: e.Type, CreatedAt: e.CreatedAt, Data: data})
	c.seq[e.Seq] = int64(len(c.entries))
	if c.bytes += len(data); len(c.entries) > maxCopied || c.bytes > maxCopiedBytes {
		return api.Invalid("conversation_id", "the conversation is too large to continue in a new run: send a follow-up to its run instead")
	}
	return nil
}

// rebase takes out what refers to the old run.
func (c *copied) rebase(d api.EntryData) api.EntryData {
	switch d := d.(type) {
	case api.UserMessage:
		d.CommandID, d.Attachments = 0, nil
		return d
	case api.Compaction:
		d.UpTo = c.seq[d.UpTo]
		return d
	}
	return d
}
