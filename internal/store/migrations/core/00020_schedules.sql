-- What starts runs by the clock, and what became of each tick.

-- +goose Up
CREATE TABLE schedules (
    id         TEXT PRIMARY KEY, -- UUID, version 7
    owner_type TEXT NOT NULL,
    owner_uid  TEXT NOT NULL,
    team_uid   TEXT NOT NULL,
    name       TEXT NOT NULL,
    cron       TEXT NOT NULL,
    zone       TEXT NOT NULL,
    prompt     TEXT NOT NULL,
    mode       TEXT NOT NULL,
    config     TEXT NOT NULL, -- AmbientAgentConfig, as given
    metadata   TEXT NOT NULL,
    agent_uid  TEXT NOT NULL,
    enabled    BIGINT NOT NULL,
    missed     TEXT NOT NULL,
    catch_up   BIGINT NOT NULL,
    overlap    TEXT NOT NULL,
    jitter     BIGINT NOT NULL, -- microseconds
    starts_at  BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    creator    TEXT NOT NULL, -- UserProfile
    creator_kind TEXT NOT NULL,
    editor     TEXT NOT NULL, -- UserProfile
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL,
    rev        BIGINT NOT NULL, -- grows with every change of the above
    -- Where it stands: the tick without an outcome, when to act on it, and who is about to.
    tick_at       BIGINT NOT NULL,
    due_at        BIGINT NOT NULL,
    held          BIGINT NOT NULL,
    attempts      BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL,
    last_ran_at   BIGINT NOT NULL,
    last_run_id   TEXT NOT NULL,
    last_error    TEXT NOT NULL
);
CREATE INDEX schedules_due ON schedules (due_at) WHERE due_at > 0;
CREATE INDEX schedules_held ON schedules (id) WHERE held = 1;
CREATE INDEX schedules_owner ON schedules (owner_type, owner_uid) WHERE deleted_at = 0;

CREATE TABLE schedule_ticks (
    schedule_id TEXT NOT NULL,
    tick_at     BIGINT NOT NULL,
    manual      BIGINT NOT NULL,
    first_at    BIGINT NOT NULL, -- the first of several ticks that share their fate
    outcome     TEXT NOT NULL,
    run_id      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (schedule_id, tick_at, manual)
);
CREATE INDEX schedule_ticks_recorded ON schedule_ticks (recorded_at);

-- What started a run, as it was then.
ALTER TABLE run_specs ADD COLUMN origin TEXT NOT NULL DEFAULT '';

-- The few scheduled runs that have not ended, for the rule of overlaps.
CREATE INDEX runs_scheduled ON runs (schedule_id)
    WHERE schedule_id <> '' AND state NOT IN ('SUCCEEDED', 'FAILED', 'ERROR', 'CANCELLED');
