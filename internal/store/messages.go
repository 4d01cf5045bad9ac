package store

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/internal/run"
)

var insertMessages = newInsert("messages",
	"id", "run_id", "sender_run_id", "author", "subject", "body", "sent_at", "delivered_at", "read_at")

const selectMessages = `SELECT id, run_id, sender_run_id, author, subject, body, sent_at, delivered_at, read_at
	FROM messages WHERE `

// messages puts new messages into a run's mailbox and marks those that were delivered.
func (c *changing) messages() error {
	rows := make([][]any, len(c.change.Messages))
	for i, m := range c.change.Messages {
		author, err := encode(m.Author)
		if err != nil {
			return err
		}
		rows[i] = []any{m.ID, c.current.Run.ID, m.SenderRunID, author, m.Subject, m.Body, micros(m.SentAt), micros(m.DeliveredAt), micros(m.ReadAt)}
	}
	if err := insertMessages.into(c.tx, rows...); err != nil {
		return err
	}
	for _, id := range c.change.Delivered {
		if err := c.tx.Send("UPDATE messages SET delivered_at = $1 WHERE id = $2 AND run_id = $3 AND delivered_at = 0",
			micros(c.now), id, c.current.Run.ID); err != nil {
			return err
		}
	}
	return nil
}

func scanMessage(row scanner) (m run.Message, err error) {
	var author string
	var sent, delivered, read int64
	if err = row.Scan(&m.ID, &m.RunID, &m.SenderRunID, &author, &m.Subject, &m.Body, &sent, &delivered, &read); err != nil {
		return m, err
	}
	m.SentAt, m.DeliveredAt, m.ReadAt = fromMicros(sent), fromMicros(delivered), fromMicros(read)
	return m, decode(author, &m.Author)
}

// Messages finds messages by id. Unknown ones are missing.
func (s Runs) Messages(ctx context.Context, ids ...string) (map[string]run.Message, error) {
	found := make(map[string]run.Message, len(ids))
	for chunk := range chunksOf(ids) {
		list, err := all(scanMessage)(s.db.queryOnce(ctx, selectMessages+"id IN ("+placeholders(1, len(chunk))+")", chunk...))
		if err != nil {
			return nil, public("read messages", err)
		}
		for _, m := range list {
			found[m.ID] = m
		}
	}
	return found, nil
}

// Mail reads mailboxes, and marks what was read.
type Mail struct{ db *DB }

// NewMail reads the mailboxes of db.
func NewMail(db *DB) Mail { return Mail{db} }

// Inbox lists at most limit messages to a run that were sent at or after a time, oldest first, without
// their bodies; only those not read yet if unread says so.
func (s Mail) Inbox(ctx context.Context, runID string, unread bool, since time.Time, limit int) ([]run.Message, error) {
	query := `SELECT id, run_id, sender_run_id, author, subject, '', sent_at, delivered_at, read_at
		FROM messages WHERE run_id = $1 AND sent_at >= $2`
	if unread {
		query += " AND read_at = 0"
	}
	list, err := all(scanMessage)(s.db.query(ctx, query+" ORDER BY sent_at, id LIMIT $3", runID, micros(since), limit))
	return list, public("read mailbox", err)
}

// MarkRead records when a message was first read.
func (s Mail) MarkRead(ctx context.Context, m run.Message, at time.Time) error {
	return s.db.Write(ctx, m.RunID, func(tx *Tx) error {
		return tx.Send("UPDATE messages SET read_at = $1 WHERE id = $2 AND read_at = 0", micros(at), m.ID)
	})
}
