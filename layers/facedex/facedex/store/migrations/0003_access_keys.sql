-- The product's own access keys. The secret is encrypted (AES-256-GCM, bound to the key's id) under a
-- key that is never in the database, so that a dump alone lets nobody in.
CREATE TABLE access_keys (
    access_key_id    text COLLATE "C" PRIMARY KEY,
    name             text NOT NULL,
    encrypted_secret bytea NOT NULL,
    permission       text NOT NULL CHECK (permission IN ('all', 'read-only')),
    created_at       timestamptz NOT NULL DEFAULT now(),
    disabled_at      timestamptz
);
