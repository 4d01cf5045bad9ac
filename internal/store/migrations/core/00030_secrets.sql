-- What is sealed, and what it is sealed by.

-- +goose Up

-- The master keys that data keys are sealed by, by name. The keys themselves are never here.
CREATE TABLE master_keys (
    id         TEXT PRIMARY KEY,
    is_primary BIGINT NOT NULL,
    since      BIGINT NOT NULL
);

-- One key per team and person, sealed by a master key.
CREATE TABLE data_keys (
    owner_type TEXT NOT NULL,
    owner_uid  TEXT NOT NULL,
    master_id  TEXT NOT NULL,
    sealed     TEXT NOT NULL, -- base64
    PRIMARY KEY (owner_type, owner_uid)
);
CREATE INDEX data_keys_master ON data_keys (master_id, owner_type, owner_uid);

-- Which master keys each server has.
CREATE TABLE key_servers (
    instance TEXT PRIMARY KEY,
    keys     TEXT NOT NULL, -- JSON array
    seen_at  BIGINT NOT NULL
);
