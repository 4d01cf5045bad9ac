-- What finds runs and executions other than by id. Each index that covers every run costs each
-- insert, so only the two time orders of the list have one here; the others are partial and hold the
-- few rows that are queued, live, somebody's child or the continuation of a conversation.

-- +goose Up
CREATE INDEX runs_queued ON runs (host, team_uid, queued_at, id) WHERE state = 'QUEUED';
CREATE INDEX runs_queue ON runs (queued_at, id) WHERE state = 'QUEUED';
CREATE INDEX runs_live ON runs (team_uid, state) WHERE live = 1;
CREATE INDEX runs_active ON runs (active_at) WHERE live = 1 AND state = 'INPROGRESS';
CREATE INDEX runs_parent ON runs (parent_id, created_at, id) WHERE parent_id <> '';
CREATE INDEX runs_conversation ON runs (conversation_id) WHERE conversation_id <> id;
CREATE INDEX runs_environment ON runs (environment_id, created_at) WHERE environment_id <> '';
CREATE INDEX runs_updated ON runs (owner_type, owner_uid, updated_at, id);
CREATE INDEX runs_created ON runs (owner_type, owner_uid, created_at, id);

CREATE INDEX executions_unclaimed ON executions (created_at) WHERE ended_at = 0 AND state = 'assigned';

-- What readiness probes write, to prove that a run could be stored. At most a row or two.
CREATE TABLE probes (
    at   BIGINT PRIMARY KEY, -- nanoseconds
    data TEXT NOT NULL
);
