-- Files that somebody was promised to be able to send, and what came of it; what a harness calls its
-- conversation; and what people call theirs.

-- +goose Up
CREATE TABLE uploads (
    id         TEXT PRIMARY KEY,
    run_id     TEXT NOT NULL,   -- empty until a run takes it over
    execution  BIGINT NOT NULL, -- the one that may send it; 0: not bound to one
    owner      TEXT NOT NULL,   -- who asked for it before there was a run
    purpose    TEXT NOT NULL,
    batch      TEXT NOT NULL,   -- generation of a checkpoint, token of a handoff
    name       TEXT NOT NULL,
    mime_type  TEXT NOT NULL,
    detail     TEXT NOT NULL,   -- what else was said of it
    size       BIGINT NOT NULL, -- announced; -1 when it was not
    most       BIGINT NOT NULL, -- bytes
    state      TEXT NOT NULL,
    blob_id    TEXT NOT NULL,   -- empty before anything arrived
    crc32c     BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    stored_at  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX uploads_run ON uploads (run_id, purpose);
CREATE INDEX uploads_owner ON uploads (owner, batch) WHERE run_id = '';
CREATE INDEX uploads_open ON uploads (expires_at) WHERE state = 'open';

CREATE TABLE external_conversations (
    run_id     TEXT PRIMARY KEY,
    format     TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Files said with a message: JSON, empty without any.
ALTER TABLE commands ADD COLUMN attachments TEXT NOT NULL DEFAULT '';
