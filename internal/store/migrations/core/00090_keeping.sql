-- What becomes of runs after they end. A run's owner_type says in whose lists it is: "team" and "user",
-- with ":archived" behind for what was put away, "nowhere" for what is deleted or not whole yet. So
-- every index of the lists keeps these apart, and none of them changes.

-- +goose Up

-- Runs whose content goes, or is gone. due_at is when the next step of that may be taken, by whoever is
-- first; 0 when nothing is left to do. A run that is being copied has a row until it is whole.
CREATE TABLE deletions (
    run_id     TEXT PRIMARY KEY,
    n          BIGINT NOT NULL, -- the run's number
    created_at BIGINT NOT NULL,
    due_at     BIGINT NOT NULL
);
CREATE INDEX deletions_due ON deletions (due_at) WHERE due_at > 0;
CREATE INDEX deletions_n ON deletions (n);
