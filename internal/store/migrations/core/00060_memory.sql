-- What agents remember: stores, memories, their versions, and which agents use which store.

-- +goose Up
CREATE TABLE memory_stores (
    uid         TEXT PRIMARY KEY,
    team_uid    TEXT NOT NULL,
    owner_type  TEXT NOT NULL,
    owner_uid   TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
CREATE INDEX memory_stores_team ON memory_stores (team_uid, created_at, uid);

-- The other way round of what each agent's definition says.
CREATE TABLE memory_attachments (
    agent_uid    TEXT NOT NULL,
    store_uid    TEXT NOT NULL,
    access       TEXT NOT NULL,
    instructions TEXT NOT NULL,
    PRIMARY KEY (agent_uid, store_uid)
);
CREATE INDEX memory_attachments_store ON memory_attachments (store_uid);

CREATE TABLE memories (
    uid           TEXT PRIMARY KEY,
    store_uid     TEXT NOT NULL,
    content       TEXT NOT NULL,
    number        BIGINT NOT NULL, -- of its latest version
    version_uid   TEXT NOT NULL,
    source        TEXT NOT NULL,
    source_id     TEXT NOT NULL,
    source_run_id TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    tombstoned_at BIGINT NOT NULL
);
CREATE INDEX memories_living ON memories (store_uid, updated_at, uid) WHERE tombstoned_at = 0;
CREATE INDEX memories_gone ON memories (store_uid, tombstoned_at, uid) WHERE tombstoned_at > 0;

CREATE TABLE memory_versions (
    memory_uid TEXT NOT NULL,
    number     BIGINT NOT NULL,
    uid        TEXT NOT NULL,
    label      TEXT NOT NULL,
    content    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    author     TEXT NOT NULL, -- UserProfile
    run_id     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (memory_uid, number)
);
