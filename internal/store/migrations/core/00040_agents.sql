-- Named identities of teams, and what a team's runs default to. Both tables are counted in people's
-- definitions, not in work.

-- +goose Up
CREATE TABLE agents (
    uid        TEXT PRIMARY KEY,
    team_uid   TEXT NOT NULL,
    name       TEXT NOT NULL,
    is_default BIGINT NOT NULL, -- the one that every team has
    definition TEXT NOT NULL,   -- all that people say of it beside its name
    creator    TEXT NOT NULL,   -- UserProfile
    editor     TEXT NOT NULL,   -- UserProfile
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX agents_name ON agents (team_uid, name) WHERE deleted_at = 0;
CREATE INDEX agents_team ON agents (team_uid, created_at, uid) WHERE deleted_at = 0;

INSERT INTO agents (uid, team_uid, name, is_default, definition, creator, editor, created_at, updated_at, deleted_at)
    SELECT 'default-' || uid, uid, 'Default', 1, '{}', '{}', '{}', created_at, created_at, 0 FROM teams;

CREATE TABLE team_defaults (
    team_uid TEXT PRIMARY KEY,
    defaults TEXT NOT NULL -- what its runs get when nobody says
);
