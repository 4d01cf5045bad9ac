-- The keys by which this installation signs tokens for its runs. A few rows.

-- +goose Up
CREATE TABLE issuer_keys (
    generation BIGINT PRIMARY KEY, -- from 1
    kid        TEXT NOT NULL,
    public     TEXT NOT NULL,      -- JWK
    sealed     TEXT NOT NULL,      -- private key, sealed by the keyring, in hex
    signs_from BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
