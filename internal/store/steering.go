package store

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

var insertCommands = newInsert("commands",
	"run_id", "id", "kind", "text", "mode", "request_id", "answer", "author", "created_at", "consumed", "attachments")

const selectCommands = `SELECT run_id, id, kind, text, mode, request_id, answer, author, created_at, consumed, attachments
	FROM commands WHERE run_id = $1 AND consumed = 0 ORDER BY id`

// commands stores new commands with the next ids and marks those that need no further delivery.
func (c *changing) commands() error {
	rows := make([][]any, len(c.change.Commands))
	for i, cmd := range c.change.Commands {
		c.lastCommand++
		answer, err := encodeAnswer(cmd.Answer)
		if err != nil {
			return err
		}
		author, err := encode(cmd.Author)
		if err != nil {
			return err
		}
		files := ""
		if len(cmd.Attachments) > 0 {
			if files, err = encode(cmd.Attachments); err != nil {
				return err
			}
		}
		at := cmd.CreatedAt
		if at.IsZero() {
			at = c.now
		}
		rows[i] = []any{c.current.Run.ID, c.lastCommand, string(cmd.Kind), cmd.Text, string(cmd.Mode), cmd.RequestID,
			answer, author, micros(at), flag(cmd.Consumed), files}
	}
	if err := insertCommands.into(c.tx, rows...); err != nil {
		return err
	}
	for _, id := range c.change.Consumed {
		if err := c.tx.Send("UPDATE commands SET consumed = 1 WHERE run_id = $1 AND id = $2",
			c.current.Run.ID, id); err != nil {
			return err
		}
	}
	return nil
}

func scanCommand(row scanner) (c run.Command, err error) {
	var answer, author, files string
	var created, consumed int64
	err = row.Scan(&c.RunID, &c.ID, &c.Kind, &c.Text, &c.Mode, &c.RequestID, &answer, &author, &created, &consumed, &files)
	if err != nil {
		return c, err
	}
	if files != "" {
		if err := decode(files, &c.Attachments); err != nil {
			return c, err
		}
	}
	c.CreatedAt, c.Consumed = fromMicros(created), consumed != 0
	if c.Answer, err = decodeAnswer(answer); err != nil {
		return c, err
	}
	return c, decode(author, &c.Author)
}

func pendingCommands(query querier, runID string) ([]run.Command, error) {
	return all(scanCommand)(query(selectCommands, runID))
}

// Commands lists the commands of a run that are not consumed yet, in order.
func (s Runs) Commands(ctx context.Context, runID string) ([]run.Command, error) {
	list, err := pendingCommands(s.db.on(ctx), runID)
	return list, public("read commands", err)
}

const selectRequests = "SELECT run_id, seq, request, created_at, answer FROM requests "

// requests opens new requests, each replacing one with the same id, and closes answered ones.
func (c *changing) requests() error {
	for _, r := range c.change.Requests {
		request, err := encode(r.Request)
		if err != nil {
			return err
		}
		answer, err := encodeAnswer(r.Answer)
		if err != nil {
			return err
		}
		at := r.CreatedAt
		if at.IsZero() {
			at = c.now
		}
		if err := c.tx.Send(`INSERT INTO requests (run_id, id, seq, request, created_at, answer)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (run_id, id) DO UPDATE SET seq = excluded.seq,
				request = excluded.request, created_at = excluded.created_at, answer = excluded.answer`,
			c.current.Run.ID, r.ID, r.Seq, request, micros(at), answer); err != nil {
			return err
		}
	}
	for _, r := range c.change.Answered {
		answer, err := encodeAnswer(r.Answer)
		if err != nil {
			return err
		}
		if err := c.tx.Send("UPDATE requests SET answer = $1 WHERE run_id = $2 AND id = $3",
			answer, c.current.Run.ID, r.ID); err != nil {
			return err
		}
	}
	return nil
}

func scanRequest(row scanner) (r run.Request, err error) {
	var request, answer string
	var created int64
	if err = row.Scan(&r.RunID, &r.Seq, &request, &created, &answer); err != nil {
		return r, err
	}
	r.CreatedAt = fromMicros(created)
	if r.Answer, err = decodeAnswer(answer); err != nil {
		return r, err
	}
	return r, decode(request, &r.Request)
}

func openRequests(query querier, runID string) ([]run.Request, error) {
	return all(scanRequest)(query(selectRequests+"WHERE run_id = $1 AND answer = '' ORDER BY seq, id", runID))
}

// Requests lists what a run asked, answered or not, oldest first.
func (s Runs) Requests(ctx context.Context, runID string) ([]run.Request, error) {
	list, err := all(scanRequest)(s.db.query(ctx, selectRequests+"WHERE run_id = $1 ORDER BY seq, id", runID))
	return list, public("read requests", err)
}

// encodeAnswer writes an answer, "" for none.
func encodeAnswer(a *api.RunAnswer) (string, error) {
	if a == nil {
		return "", nil
	}
	return encode(a)
}

func decodeAnswer(text string) (*api.RunAnswer, error) {
	if text == "" {
		return nil, nil
	}
	a := new(api.RunAnswer)
	return a, decode(text, a)
}
