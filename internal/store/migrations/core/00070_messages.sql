-- What runs say to each other, and what clients tell of their start-up.

-- +goose Up
CREATE TABLE messages (
    id            TEXT PRIMARY KEY, -- UUID
    run_id        TEXT NOT NULL,    -- whose mailbox it lies in
    sender_run_id TEXT NOT NULL,
    author        TEXT NOT NULL,    -- UserProfile of whoever sent it
    subject       TEXT NOT NULL,
    body          TEXT NOT NULL,
    sent_at       BIGINT NOT NULL,
    delivered_at  BIGINT NOT NULL,
    read_at       BIGINT NOT NULL
);
CREATE INDEX messages_inbox ON messages (run_id, sent_at, id);
CREATE INDEX messages_unread ON messages (run_id, sent_at, id) WHERE read_at = 0;

CREATE TABLE client_events (
    run_id      TEXT NOT NULL,
    uuid        TEXT NOT NULL, -- the client's, so that a repeated report counts once
    name        TEXT NOT NULL,
    at          BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    failed      BIGINT NOT NULL,
    PRIMARY KEY (run_id, uuid)
);

-- How far a client has come in the events it follows, and the bytes of all messages a run was sent.
ALTER TABLE runs ADD COLUMN last_event_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN mail_bytes BIGINT NOT NULL DEFAULT 0;
