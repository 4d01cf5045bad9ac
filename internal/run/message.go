package run

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Message is one recipient's copy of what a run was told by another. It never changes but for its times;
// a zero time means "not yet".
type Message struct {
	ID          string
	RunID       string // the recipient
	SenderRunID string
	Author      api.UserProfile // who sent it, in the name of the sender
	Subject     string
	Body        string
	SentAt      time.Time
	DeliveredAt time.Time // when the recipient's agent took it in, or its client said so
	ReadAt      time.Time
}

// size is what a message counts towards Config.MailBytes.
func (m Message) size() int64 { return entryRow + int64(len(m.Subject)+len(m.Body)) }

// Posting says how messages are sent.
type Posting struct {
	// Wake sets recipients that have ended going again. Without it they are refused.
	Wake bool
	// ByRun says that an agent sends, who may not undo what a person decided.
	ByRun bool
}

// Post puts messages, each to another run, into their recipients' mailboxes: all of them, in one
// transaction with the events that tell of them, or none. The caller has checked who speaks to whom, and
// the text. A recipient that has ended goes on with the message, unless p or what ended it forbids.
func (s *Service) Post(ctx context.Context, messages []Message, p Posting) error {
	ids := make([]string, len(messages))
	for i, m := range messages {
		ids[i] = m.RunID
	}
	now := s.now()
	_, err := s.cfg.Store.ChangeAll(ctx, ids, func(i int, cur Current) (Change, error) {
		t := begin(cur, now)
		if err := decidePost(t, messages[i], p, s.cfg); err != nil {
			return Change{}, err
		}
		return t.done(), nil
	})
	return edge(err)
}

func decidePost(t *turn, m Message, p Posting, cfg Config) error {
	state := t.run.State
	switch {
	case state.Ended() && !p.Wake:
		return api.Fail(api.PlatformErrorCodeOperationNotSupported, "run %s has ended (%s) and was not to be woken", m.RunID, state)
	case state == api.RunStateCANCELLED && p.ByRun:
		return api.Fail(api.PlatformErrorCodeOperationNotSupported, "run %s was cancelled: only a person may set it going again", m.RunID)
	case t.count(api.CommandKindMessage) >= cfg.MaxWaiting:
		return api.Fail(api.PlatformErrorCodeResourceUnavailable, "the mailbox of run %s is full: %d messages wait to be taken up", m.RunID, cfg.MaxWaiting)
	case t.run.MailBytes+m.size() > cfg.MailBytes:
		return api.Fail(api.PlatformErrorCodeStorageLimitExceeded, "the mailbox of run %s is full: a run may be sent %s in its life", m.RunID, sizeText(cfg.MailBytes))
	}
	m.SentAt = t.now
	t.change.Messages = append(t.change.Messages, m)
	t.run.MailBytes += m.size()
	t.command(Command{Kind: api.CommandKindMessage, RequestID: m.ID, Author: m.Author})
	t.tell(EventMessage, m.ID)
	if !state.Ended() {
		return nil
	}
	return resume(t)
}

// Delivered records that a message has reached its run: it need not be delivered any more. It may be
// repeated.
func (s *Service) Delivered(ctx context.Context, m Message) error {
	_, err := s.change(ctx, m.RunID, func(t *turn) error {
		t.deliver(m.ID)
		return nil
	})
	return err
}

// deliver marks a message as delivered and takes it out of what waits for the agent.
func (t *turn) deliver(messageID string) {
	t.change.Delivered = append(t.change.Delivered, messageID)
	t.consume(func(c Command) bool { return c.Kind == api.CommandKindMessage && c.RequestID == messageID })
}

// takenUp finds the message that a waiting command delivers, which an entry of a runner takes up; nil when
// it is none.
func (s *Service) takenUp(ctx context.Context, runID string, commandID int64) (*Message, error) {
	if commandID == 0 {
		return nil, nil
	}
	waiting, err := s.cfg.History.Commands(ctx, runID)
	if err != nil {
		return nil, err
	}
	for _, c := range waiting {
		if c.ID != commandID || c.Kind != api.CommandKindMessage {
			continue
		}
		found, err := s.cfg.History.Messages(ctx, c.RequestID)
		if m, ok := found[c.RequestID]; ok && err == nil {
			return &m, nil
		}
		return nil, err
	}
	return nil, nil
}

// attributeMessage makes an entry that takes up a message say what the message says.
func (t *turn) attributeMessage(d api.UserMessage, m Message) api.UserMessage {
	t.deliver(m.ID)
	return api.UserMessage{
		Text: m.Body, Author: m.Author, CommandID: d.CommandID, MessageID: m.ID, SenderRunID: m.SenderRunID, Subject: m.Subject,
	}
}
