-- People, how they sign in, and keys that belong to more than a person. All of these tables stay small
-- beside the runs: their rows are counted in people, not in work. What a caller presents (key, cookie,
-- link, code) is kept as the hex SHA-256 of it only.

-- +goose Up
ALTER TABLE users ADD COLUMN password TEXT NOT NULL DEFAULT '';      -- argon2id, empty: none
ALTER TABLE users ADD COLUMN disabled_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN operator BIGINT NOT NULL DEFAULT 0;     -- may manage people and teams
CREATE UNIQUE INDEX users_email ON users (email) WHERE email <> '';
-- The person of the first start has been the only one who could set anything up.
UPDATE users SET operator = 1 WHERE created_at = (SELECT min(created_at) FROM users);

ALTER TABLE members ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN source TEXT NOT NULL DEFAULT '';      -- the provider whose groups gave it
CREATE INDEX members_user ON members (user_uid);

ALTER TABLE api_keys ADD COLUMN owner_type TEXT NOT NULL DEFAULT 'user';
ALTER TABLE api_keys ADD COLUMN owner_uid TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT 'full'; -- with spaces between
ALTER TABLE api_keys ADD COLUMN creator_uid TEXT NOT NULL DEFAULT '';
UPDATE api_keys SET owner_uid = user_uid, creator_uid = user_uid;
CREATE INDEX api_keys_owner ON api_keys (owner_type, owner_uid);
CREATE INDEX api_keys_team ON api_keys (team_uid);

-- A browser in which somebody is signed in.
CREATE TABLE signins (
    uid        TEXT PRIMARY KEY,
    hash       TEXT NOT NULL UNIQUE,
    user_uid   TEXT NOT NULL,
    team_uid   TEXT NOT NULL, -- the team it works for, as chosen
    method     TEXT NOT NULL,
    device     TEXT NOT NULL, -- as the browser calls itself
    address    TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX signins_user ON signins (user_uid);
CREATE INDEX signins_expiry ON signins (expires_at);

CREATE TABLE signin_links (
    hash        TEXT PRIMARY KEY,
    user_uid    TEXT NOT NULL,
    creator_uid TEXT NOT NULL,
    expires_at  BIGINT NOT NULL
);

-- What a provider calls a person it has vouched for.
CREATE TABLE user_logins (
    provider TEXT NOT NULL,
    subject  TEXT NOT NULL,
    user_uid TEXT NOT NULL,
    PRIMARY KEY (provider, subject)
);

CREATE TABLE invitations (
    uid         TEXT PRIMARY KEY,
    hash        TEXT NOT NULL UNIQUE,
    team_uid    TEXT NOT NULL,
    email       TEXT NOT NULL,
    role        TEXT NOT NULL,
    creator_uid TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX invitations_team ON invitations (team_uid);
CREATE INDEX invitations_email ON invitations (email);

-- A command line that waits for somebody to approve it in a browser.
CREATE TABLE device_grants (
    hash       TEXT PRIMARY KEY, -- of the device code
    code       TEXT NOT NULL UNIQUE, -- what a person types
    address    TEXT NOT NULL,
    device     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    polled_at  BIGINT NOT NULL,
    decision   TEXT NOT NULL, -- empty while open
    user_uid   TEXT NOT NULL,
    team_uid   TEXT NOT NULL
);

-- How often something guessable was tried of late.
CREATE TABLE attempts (
    subject TEXT PRIMARY KEY,
    count   BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    until   BIGINT NOT NULL -- refused before this
);
CREATE INDEX attempts_at ON attempts (at);
