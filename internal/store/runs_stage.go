package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

const (
	// stageRows and stageBytes bound the entries that one operation inserts of a new run, so that nobody
	// waits long behind somebody who copies a large conversation.
	stageRows  = 256
	stageBytes = 1 << 20
	// stageTime is how long a run may take to become whole before it counts as left behind by a crash.
	stageTime = 10 * time.Minute
)

// stagesOf cuts the entries of a new run into what one operation inserts.
func stagesOf(rows [][]any) (stages [][][]any) {
	first, size := 0, 0
	for i, row := range rows {
		size += len(row[len(row)-1].(string))
		if i > first && (size > stageBytes || i-first == stageRows) {
			stages = append(stages, rows[first:i])
			first, size = i, len(row[len(row)-1].(string))
		}
	}
	return append(stages, rows[first:])
}

// stage inserts the entries of a new run, of which nobody knows yet: it is put down to be taken away, and
// stays only if it is there in time for unhide.
func (s Runs) stage(ctx context.Context, r run.Run, stages [][][]any) error {
	if err := s.db.Write(ctx, r.ID, func(tx *Tx) error {
		hidden := run.Run{ID: r.ID, ConversationID: r.ID, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, State: api.RunStateCANCELLED}
		if err := insertRuns.into(tx, runValues(hidden)); err != nil {
			return err
		}
		now := s.db.now()
		return bury(tx, r.ID, now, now.Add(stageTime))
	}); err != nil {
		return err
	}
	for _, rows := range stages {
		if err := s.db.Write(ctx, r.ID, func(tx *Tx) error { return insertEntries.into(tx, rows...) }); err != nil {
			return err
		}
	}
	return nil
}

// unhide makes a staged run be there, with all that insertRuns would have given it, unless it took so long
// that it is being taken away.
func unhide(tx *Tx, id string, row []any) error {
	n, err := tx.Exec("DELETE FROM deletions WHERE run_id = $1 AND due_at > $2", id, micros(tx.group.w.db.now()))
	if err != nil {
		return err
	}
	if n == 0 {
		return api.Fail(api.PlatformErrorCodeResourceUnavailable, "the copy of the conversation took too long; try again")
	}
	sets := make([]string, len(insertRuns.columns))
	for i, c := range insertRuns.columns {
		sets[i] = fmt.Sprintf("%s = $%d", c, i+1)
	}
	return tx.Send("UPDATE runs SET "+strings.Join(sets, ", ")+fmt.Sprintf(" WHERE id = $%d", len(sets)+1), append(row[:len(row):len(row)], id)...)
}
