-- Secrets of teams and people, and which runs received them.

-- +goose Up
CREATE TABLE secrets (
    uid         TEXT PRIMARY KEY, -- UUID, version 7
    owner_type  TEXT NOT NULL,
    owner_uid   TEXT NOT NULL,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL,
    description TEXT NOT NULL,
    file_name   TEXT NOT NULL,
    sealed      TEXT NOT NULL, -- base64, by the owner's data key
    creator     TEXT NOT NULL, -- UserProfile
    editor      TEXT NOT NULL, -- UserProfile
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    valued_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX secrets_owner ON secrets (owner_type, owner_uid, name);

CREATE TABLE secret_uses (
    secret_uid TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    execution  BIGINT NOT NULL,
    phase      TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (secret_uid, run_id, execution, phase)
);
CREATE INDEX secret_uses_at ON secret_uses (secret_uid, at, run_id, execution, phase);

-- What a run received so far, of those that received anything.
CREATE TABLE run_secrets (
    run_id     TEXT PRIMARY KEY,
    secrets    TEXT NOT NULL, -- JSON array of RunSecret
    unresolved TEXT NOT NULL, -- JSON array of names
    agent      BIGINT NOT NULL -- the last execution whose agent took its secrets
);

-- Whose personal secrets a run may get.
ALTER TABLE run_specs ADD COLUMN person TEXT NOT NULL DEFAULT '';
