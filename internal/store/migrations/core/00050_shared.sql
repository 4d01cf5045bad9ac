-- What is shared beside environments: runners, saved prompts, MCP servers, rules; and what apply made.

-- +goose Up
CREATE TABLE runners (
    uid        TEXT PRIMARY KEY,
    owner_type TEXT NOT NULL,
    owner_uid  TEXT NOT NULL,
    name       TEXT NOT NULL,
    config     TEXT NOT NULL, -- ComputeRunnerConfig
    creator    TEXT NOT NULL, -- UserProfile
    editor     TEXT NOT NULL, -- UserProfile
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX runners_name ON runners (owner_type, owner_uid, name) WHERE deleted_at = 0;

CREATE TABLE prompts (
    uid        TEXT PRIMARY KEY,
    owner_type TEXT NOT NULL,
    owner_uid  TEXT NOT NULL,
    name       TEXT NOT NULL,
    config     TEXT NOT NULL, -- SavedPromptConfig
    creator    TEXT NOT NULL,
    editor     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX prompts_name ON prompts (owner_type, owner_uid, name) WHERE deleted_at = 0;

CREATE TABLE mcp_servers (
    uid        TEXT PRIMARY KEY,
    owner_type TEXT NOT NULL,
    owner_uid  TEXT NOT NULL,
    name       TEXT NOT NULL,
    config     TEXT NOT NULL, -- SharedMcpServerConfig
    creator    TEXT NOT NULL,
    editor     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX mcp_servers_name ON mcp_servers (owner_type, owner_uid, name) WHERE deleted_at = 0;

CREATE TABLE rules (
    owner_type TEXT NOT NULL,
    owner_uid  TEXT NOT NULL,
    text       TEXT NOT NULL,
    editor     TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (owner_type, owner_uid)
);

CREATE TABLE applied (
    owner_type TEXT NOT NULL,
    owner_uid  TEXT NOT NULL,
    set_name   TEXT NOT NULL, -- of files
    revision   BIGINT NOT NULL,
    things     TEXT NOT NULL, -- AppliedThing, a list
    editor     TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (owner_type, owner_uid, set_name)
);

-- The saved prompt a schedule's runs are made from, by uid or name.
ALTER TABLE schedules ADD COLUMN saved_prompt TEXT NOT NULL DEFAULT '';
ALTER TABLE schedules ADD COLUMN arguments TEXT NOT NULL DEFAULT ''; -- a map
