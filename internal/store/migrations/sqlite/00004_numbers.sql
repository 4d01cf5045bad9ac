-- Runs get a number, n, in the order they were stored: small, dense, and part of every index for free,
-- because it is the row's own key. The search index and the lists speak of runs by it. A key of its
-- own, unlike SQLite's implicit one, also survives VACUUM.

-- +goose Up
CREATE TABLE runs_numbered (
    n               INTEGER PRIMARY KEY, -- counts runs in the order they were stored
    id              TEXT NOT NULL UNIQUE, -- UUID, version 7
    title           TEXT NOT NULL,
    state           TEXT NOT NULL,
    message         TEXT NOT NULL,
    error_code      TEXT NOT NULL,
    retryable       BIGINT NOT NULL,
    waiting_code    TEXT NOT NULL,
    waiting_message TEXT NOT NULL,
    waiting_since   BIGINT NOT NULL,
    mode            TEXT NOT NULL,
    source          TEXT NOT NULL,
    location        TEXT NOT NULL,
    host            TEXT NOT NULL,
    owner_type      TEXT NOT NULL,
    owner_uid       TEXT NOT NULL,
    team_uid        TEXT NOT NULL,
    creator_uid     TEXT NOT NULL,
    executor_uid    TEXT NOT NULL,
    parent_id       TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    session_id      TEXT NOT NULL,
    config_name     TEXT NOT NULL,
    model_id        TEXT NOT NULL,
    harness         TEXT NOT NULL,
    environment_id  TEXT NOT NULL,
    skill           TEXT NOT NULL,
    schedule_id     TEXT NOT NULL,
    interactive     BIGINT NOT NULL,
    no_snapshot     BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    queued_at       BIGINT NOT NULL,
    started_at      BIGINT NOT NULL,
    ended_at        BIGINT NOT NULL,
    active_us       BIGINT NOT NULL,
    active_at       BIGINT NOT NULL,
    execution       BIGINT NOT NULL,
    live            BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,
    last_seq        BIGINT NOT NULL,
    last_command    BIGINT NOT NULL,
    input_tokens       BIGINT NOT NULL,
    output_tokens      BIGINT NOT NULL,
    cache_read_tokens  BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    input_usd          DOUBLE PRECISION NOT NULL,
    output_usd         DOUBLE PRECISION NOT NULL,
    cache_read_usd     DOUBLE PRECISION NOT NULL,
    cache_write_usd    DOUBLE PRECISION NOT NULL,
    unpriced           BIGINT NOT NULL
);
INSERT INTO runs_numbered (
    id, title, state, message, error_code, retryable, waiting_code, waiting_message,
    waiting_since, mode, source, location, host, owner_type, owner_uid, team_uid, creator_uid,
    executor_uid, parent_id, conversation_id, session_id, config_name, model_id, harness,
    environment_id, skill, schedule_id, interactive, no_snapshot, created_at, updated_at,
    queued_at, started_at, ended_at, active_us, active_at, execution, live, attempts, last_seq,
    last_command, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, input_usd,
    output_usd, cache_read_usd, cache_write_usd, unpriced)
SELECT
    id, title, state, message, error_code, retryable, waiting_code, waiting_message,
    waiting_since, mode, source, location, host, owner_type, owner_uid, team_uid, creator_uid,
    executor_uid, parent_id, conversation_id, session_id, config_name, model_id, harness,
    environment_id, skill, schedule_id, interactive, no_snapshot, created_at, updated_at,
    queued_at, started_at, ended_at, active_us, active_at, execution, live, attempts, last_seq,
    last_command, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, input_usd,
    output_usd, cache_read_usd, cache_write_usd, unpriced
FROM runs ORDER BY rowid;
DROP TABLE runs;
ALTER TABLE runs_numbered RENAME TO runs;
CREATE INDEX runs_queued ON runs (host, team_uid, queued_at, id) WHERE state = 'QUEUED';
CREATE INDEX runs_queue ON runs (queued_at, id) WHERE state = 'QUEUED';
CREATE INDEX runs_live ON runs (team_uid, state) WHERE live = 1;
CREATE INDEX runs_active ON runs (active_at) WHERE live = 1 AND state = 'INPROGRESS';
CREATE INDEX runs_parent ON runs (parent_id, created_at, id) WHERE parent_id <> '';
CREATE INDEX runs_conversation ON runs (conversation_id) WHERE conversation_id <> id;
CREATE INDEX runs_environment ON runs (environment_id, created_at) WHERE environment_id <> '';
CREATE INDEX runs_updated ON runs (owner_type, owner_uid, updated_at, id);
CREATE INDEX runs_created ON runs (owner_type, owner_uid, created_at, id);
-- The other orders of the list, and its commonest filter that changes during a run's life.
CREATE INDEX runs_title ON runs (owner_type, owner_uid, title, id);
CREATE INDEX runs_agent ON runs (owner_type, owner_uid, skill, id);
CREATE INDEX runs_state ON runs (owner_type, owner_uid, state, updated_at, id);

-- The search index: which runs of a block have a term. See internal/store/posting.
CREATE TABLE search_postings (
    term  BIGINT NOT NULL,
    block BIGINT NOT NULL,
    docs  BLOB NOT NULL,
    PRIMARY KEY (term, block)
) WITHOUT ROWID;

-- One row: every run created by an event up to seq is in search_postings.
CREATE TABLE search_state (
    id  BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL
);
INSERT INTO search_state (id, seq) VALUES (1, 0);
