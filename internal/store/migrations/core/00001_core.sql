-- The tables both engines share, in the SQL both understand. Times are microseconds since 1970 (0 =
-- not yet), flags 0 or 1, JSON is text. What differs between the engines (search) has a migration of
-- its own per engine.

-- +goose Up
CREATE TABLE teams (
    uid        TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE users (
    uid        TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    email      TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE members (
    team_uid TEXT NOT NULL REFERENCES teams (uid),
    user_uid TEXT NOT NULL REFERENCES users (uid),
    role     TEXT NOT NULL,
    PRIMARY KEY (team_uid, user_uid)
);

CREATE TABLE api_keys (
    uid          TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    hash         TEXT NOT NULL UNIQUE, -- hex SHA-256 of the key
    suffix       TEXT NOT NULL,
    user_uid     TEXT NOT NULL,
    team_uid     TEXT NOT NULL,
    role         TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    revoked_at   BIGINT NOT NULL
);

CREATE TABLE server_secrets (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL -- base64
);

CREATE TABLE environments (
    uid        TEXT PRIMARY KEY,
    owner_type TEXT NOT NULL,
    owner_uid  TEXT NOT NULL,
    config     TEXT NOT NULL,
    creator    TEXT NOT NULL,
    editor     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL
);
CREATE INDEX environments_owner ON environments (owner_type, owner_uid);

-- A run's narrow, changing part. Its bulky, fixed part is run_specs.
CREATE TABLE runs (
    id              TEXT PRIMARY KEY, -- UUID, version 7
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

CREATE TABLE run_specs (
    run_id      TEXT PRIMARY KEY,
    prompt      TEXT NOT NULL,
    config      TEXT NOT NULL, -- resolved AmbientAgentConfig
    creator     TEXT NOT NULL, -- UserProfile
    executor    TEXT NOT NULL, -- UserProfile
    metadata    TEXT NOT NULL,
    attachments TEXT NOT NULL
);

CREATE TABLE run_metadata (
    run_id TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (key, value, run_id)
);

CREATE TABLE executions (
    id          TEXT PRIMARY KEY,
    run_id      TEXT NOT NULL,
    number      BIGINT NOT NULL,
    state       TEXT NOT NULL,
    host        TEXT NOT NULL,
    worker      TEXT NOT NULL,
    backend     TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    claimed_at  BIGINT NOT NULL,
    started_at  BIGINT NOT NULL,
    ended_at    BIGINT NOT NULL,
    end_reason  TEXT NOT NULL,
    next_index  BIGINT NOT NULL,
    acted       BIGINT NOT NULL,
    snapshot    TEXT NOT NULL,
    UNIQUE (run_id, number)
);
CREATE INDEX executions_live ON executions (lease_until) WHERE ended_at = 0;

CREATE TABLE entries (
    run_id     TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    type       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    execution  BIGINT NOT NULL,
    data       TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE commands (
    run_id     TEXT NOT NULL,
    id         BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    text       TEXT NOT NULL,
    mode       TEXT NOT NULL,
    request_id TEXT NOT NULL,
    answer     TEXT NOT NULL,
    author     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    consumed   BIGINT NOT NULL,
    PRIMARY KEY (run_id, id)
);

CREATE TABLE requests (
    run_id     TEXT NOT NULL,
    id         TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    request    TEXT NOT NULL, -- api.Request
    created_at BIGINT NOT NULL,
    answer     TEXT NOT NULL, -- api.RunAnswer, empty while open
    PRIMARY KEY (run_id, id)
);

CREATE TABLE artifacts (
    uid        TEXT PRIMARY KEY,
    run_id     TEXT NOT NULL,
    type       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    blob_id    TEXT NOT NULL,
    data       TEXT NOT NULL
);
CREATE INDEX artifacts_run ON artifacts (run_id, created_at);
CREATE INDEX artifacts_type ON artifacts (type, run_id);

CREATE TABLE blobs (
    id         TEXT PRIMARY KEY,
    run_id     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    mime_type  TEXT NOT NULL,
    size       BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX blobs_run ON blobs (run_id);

-- The outbox, the event feed and the spine of the audit trail. seq is assigned at commit under a
-- lock, so that a reader who saw n has seen everything up to n.
CREATE TABLE lifecycle_events (
    seq          BIGINT PRIMARY KEY,
    run_id       TEXT NOT NULL,
    team_uid     TEXT NOT NULL,
    execution_id TEXT NOT NULL,
    type         TEXT NOT NULL,
    state        TEXT NOT NULL,
    message      TEXT NOT NULL,
    ref_id       TEXT NOT NULL,
    at           BIGINT NOT NULL,
    data         TEXT NOT NULL
);
CREATE INDEX lifecycle_events_run ON lifecycle_events (run_id, seq);

CREATE TABLE usage_calls (
    id           TEXT PRIMARY KEY,
    run_id       TEXT NOT NULL,
    execution_id TEXT NOT NULL,
    execution    BIGINT NOT NULL,
    team_uid     TEXT NOT NULL,
    provider     TEXT NOT NULL,
    model_id     TEXT NOT NULL,
    input_tokens       BIGINT NOT NULL,
    output_tokens      BIGINT NOT NULL,
    cache_read_tokens  BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    input_usd          DOUBLE PRECISION NOT NULL,
    output_usd         DOUBLE PRECISION NOT NULL,
    cache_read_usd     DOUBLE PRECISION NOT NULL,
    cache_write_usd    DOUBLE PRECISION NOT NULL,
    priced       BIGINT NOT NULL,
    started_at   BIGINT NOT NULL,
    duration_us  BIGINT NOT NULL,
    status       BIGINT NOT NULL,
    error        TEXT NOT NULL
);
CREATE INDEX usage_calls_run ON usage_calls (run_id, started_at);
