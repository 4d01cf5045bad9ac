package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

var insertArtifacts = newInsert("artifacts", "uid", "run_id", "type", "created_at", "blob_id", "data")

const selectArtifacts = "SELECT uid, run_id, type, created_at, blob_id, data FROM artifacts "

func (c *changing) artifacts() error {
	rows, err := artifactRows(c.current.Run.ID, c.change.Artifacts, c.now)
	if err != nil {
		return err
	}
	return insertArtifacts.into(c.tx, rows...)
}

// artifactRows are the rows of a run's artifacts. One without a time gets now.
func artifactRows(runID string, artifacts []run.Artifact, now time.Time) ([][]any, error) {
	rows := make([][]any, len(artifacts))
	for i, a := range artifacts {
		data, err := encode(a.Data)
		if err != nil {
			return nil, err
		}
		at := a.CreatedAt
		if at.IsZero() {
			at = now
		}
		rows[i] = []any{a.UID, runID, string(a.Type), micros(at), a.BlobID, data}
	}
	return rows, nil
}

func scanArtifact(row scanner) (a run.Artifact, err error) {
	var created int64
	var data string
	if err = row.Scan(&a.UID, &a.RunID, &a.Type, &created, &a.BlobID, &data); err != nil {
		return a, err
	}
	a.CreatedAt = fromMicros(created)
	return a, decode(data, &a.Data)
}

// Artifacts lists the artifacts of each run, oldest first. Runs without any are not in the map.
func (s Runs) Artifacts(ctx context.Context, runIDs ...string) (map[string][]run.Artifact, error) {
	byRun := map[string][]run.Artifact{}
	for chunk := range chunksOf(runIDs) {
		list, err := all(scanArtifact)(s.db.queryOnce(ctx, selectArtifacts+
			"WHERE run_id IN ("+placeholders(1, len(chunk))+") ORDER BY run_id, created_at, uid", chunk...))
		if err != nil {
			return nil, public("read artifacts", err)
		}
		for _, a := range list {
			byRun[a.RunID] = append(byRun[a.RunID], a)
		}
	}
	return byRun, nil
}

// Artifact returns one artifact.
func (s Runs) Artifact(ctx context.Context, uid string) (run.Artifact, error) {
	a, err := one(scanArtifact)(s.db.query(ctx, selectArtifacts+"WHERE uid = $1", uid))
	if errors.Is(err, sql.ErrNoRows) {
		return a, api.NotFound("artifact", uid)
	}
	return a, public("read artifact", err)
}
