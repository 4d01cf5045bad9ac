-- Up to which entry a run's workspace is kept, so that whoever goes on in another sandbox can be told
-- what is missing from it.

-- +goose Up
ALTER TABLE executions ADD COLUMN snapshot_seq BIGINT NOT NULL DEFAULT 0;
