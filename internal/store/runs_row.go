package store

import (
	"time"

	"github.com/cadrehq/cadre/internal/run"
)

// storedRun is a run with what only the store needs to know of it.
type storedRun struct {
	run.Run
	lastCommand int64
	hidden      bool // deleted, or not whole yet: it is not there for anybody
}

// insertRuns names the columns in the order of runValues. What run.Run reads from the specification
// (profiles, config) is here again where lists filter by it.
var insertRuns = newInsert("runs",
	"id", "title", "state", "message", "error_code", "retryable", "waiting_code", "waiting_message",
	"waiting_since", "mode", "source", "location", "host", "owner_type", "owner_uid", "team_uid",
	"creator_uid", "executor_uid", "parent_id", "conversation_id", "session_id", "config_name", "model_id",
	"harness", "environment_id", "skill", "schedule_id", "interactive", "no_snapshot", "created_at",
	"updated_at", "queued_at", "started_at", "ended_at", "active_us", "active_at", "execution", "live",
	"attempts", "last_seq", "last_command", "input_tokens", "output_tokens", "cache_read_tokens",
	"cache_write_tokens", "input_usd", "output_usd", "cache_read_usd", "cache_write_usd", "unpriced",
	"entry_bytes", "blob_bytes", "last_event_seq", "mail_bytes")

func runValues(r run.Run) []any {
	u, owner := r.Usage, shelved(r.Owner, r.Archived)
	return []any{
		r.ID, r.Title, string(r.State), r.Message, string(r.ErrorCode), flag(r.Retryable), string(r.Waiting.Code),
		r.Waiting.Message, micros(r.Waiting.Since), string(r.Mode), string(r.Source), string(r.Location), r.Host,
		string(owner.Type), owner.UID, r.TeamUID, r.Creator.Uid, r.Executor.Uid, r.ParentID, r.ConversationID,
		r.SessionID, r.Config.Name, r.Config.ModelId, string(r.Config.Harness.Type), r.Config.EnvironmentId,
		r.Skill, r.ScheduleID, flag(r.Interactive), flag(r.NoSnapshot), micros(r.CreatedAt), micros(r.UpdatedAt),
		micros(r.QueuedAt), micros(r.StartedAt), micros(r.EndedAt), r.Active.Microseconds(), micros(r.ActiveAt),
		r.Execution, flag(r.Live), r.Attempts, r.LastSeq, 0, u.InputTokens, u.OutputTokens, u.CacheReadTokens,
		u.CacheWriteTokens, u.InputUSD, u.OutputUSD, u.CacheReadUSD, u.CacheWriteUSD, u.Unpriced,
		r.EntryBytes, r.BlobBytes, r.EventSeq, r.MailBytes,
	}
}

var insertSpecs = newInsert("run_specs",
	"run_id", "prompt", "config", "creator", "executor", "metadata", "attachments", "origin", "person")

// specValues encodes the fixed part of a run.
func specValues(r run.Run) ([]any, error) {
	values := []any{r.ID, r.Prompt}
	for _, v := range []any{r.Config, r.Creator, r.Executor, r.Metadata, r.Attachments} {
		text, err := encode(v)
		if err != nil {
			return nil, err
		}
		values = append(values, text)
	}
	origin, err := originText(r.Origin)
	return append(values, origin, r.Person), err
}

// originText encodes what started a run; nothing for the many runs that a request did.
func originText(o run.Origin) (string, error) {
	if o == (run.Origin{}) {
		return "", nil
	}
	return encode(o)
}

// runColumns are those of runs r with their specifications p, for scanRun.
const runColumns = `r.id, r.title, r.state, r.message, r.error_code, r.retryable, r.waiting_code,
	r.waiting_message, r.waiting_since, r.mode, r.source, r.location, r.host, r.owner_type, r.owner_uid,
	r.team_uid, r.parent_id, r.conversation_id, r.session_id, r.skill, r.schedule_id, r.interactive,
	r.no_snapshot, r.created_at, r.updated_at, r.queued_at, r.started_at, r.ended_at, r.active_us,
	r.active_at, r.execution, r.live, r.attempts, r.last_seq, r.last_command, r.input_tokens,
	r.output_tokens, r.cache_read_tokens, r.cache_write_tokens, r.input_usd, r.output_usd,
	r.cache_read_usd, r.cache_write_usd, r.unpriced, r.entry_bytes, r.blob_bytes, r.last_event_seq,
	r.mail_bytes,	p.prompt, p.config, p.creator, p.executor, p.metadata, p.attachments, p.origin, p.person`

// selectRuns reads runs with their specifications.
const selectRuns = "SELECT " + runColumns + " FROM runs r JOIN run_specs p ON p.run_id = r.id "

func scanRun(row scanner) (r storedRun, err error) {
	var retryable, interactive, noSnapshot, live int64
	var since, created, updated, queued, started, ended, activeAt, active int64
	var config, creator, executor, metadata, attachments, origin string
	err = row.Scan(&r.ID, &r.Title, &r.State, &r.Message, &r.ErrorCode, &retryable, &r.Waiting.Code,
		&r.Waiting.Message, &since, &r.Mode, &r.Source, &r.Location, &r.Host, &r.Owner.Type, &r.Owner.UID,
		&r.TeamUID, &r.ParentID, &r.ConversationID, &r.SessionID, &r.Skill, &r.ScheduleID, &interactive,
		&noSnapshot, &created, &updated, &queued, &started, &ended, &active,
		&activeAt, &r.Execution, &live, &r.Attempts, &r.LastSeq, &r.lastCommand, &r.Usage.InputTokens,
		&r.Usage.OutputTokens, &r.Usage.CacheReadTokens, &r.Usage.CacheWriteTokens, &r.Usage.InputUSD,
		&r.Usage.OutputUSD, &r.Usage.CacheReadUSD, &r.Usage.CacheWriteUSD, &r.Usage.Unpriced,
		&r.EntryBytes, &r.BlobBytes, &r.EventSeq, &r.MailBytes,
		&r.Prompt, &config, &creator, &executor, &metadata, &attachments, &origin, &r.Person)
	if err != nil {
		return r, err
	}
	r.Retryable, r.Interactive, r.NoSnapshot, r.Live = retryable != 0, interactive != 0, noSnapshot != 0, live != 0
	r.Owner, r.Archived = unshelved(r.Owner)
	r.hidden = r.Owner.Type == nowhere
	r.Waiting.Since, r.CreatedAt, r.UpdatedAt = fromMicros(since), fromMicros(created), fromMicros(updated)
	r.QueuedAt, r.StartedAt, r.EndedAt = fromMicros(queued), fromMicros(started), fromMicros(ended)
	r.ActiveAt, r.Active = fromMicros(activeAt), time.Duration(active)*time.Microsecond
	for _, part := range []struct {
		text string
		into any
	}{
		{config, &r.Config}, {creator, &r.Creator}, {executor, &r.Executor},
		{metadata, &r.Metadata}, {attachments, &r.Attachments}, {origin, &r.Origin},
	} {
		if err := decode(part.text, part.into); err != nil {
			return r, err
		}
	}
	return r, nil
}
