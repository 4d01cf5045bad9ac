-- What callers named the requests that started runs, so that a request which is sent again starts no
-- second run.

-- +goose Up
CREATE TABLE create_keys (
    scope  TEXT NOT NULL, -- whose key it is
    key    TEXT NOT NULL,
    digest TEXT NOT NULL, -- hex SHA-256 of the request
    run_id TEXT NOT NULL,
    PRIMARY KEY (scope, key)
);
