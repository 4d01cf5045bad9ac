-- What each run has stored, so that no run can fill the disk. Runs from before count from here on.

-- +goose Up
ALTER TABLE runs ADD COLUMN entry_bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN blob_bytes BIGINT NOT NULL DEFAULT 0;
