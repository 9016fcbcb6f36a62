-- A user is a person with several faces; its vector is the normalised mean of theirs, and is
-- brought up to date in the transaction that changes them. Without faces it has none.
CREATE TABLE users (
    collection_key bigint NOT NULL REFERENCES collections,
    user_id        text COLLATE "C" NOT NULL,
    vector         halfvec,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (collection_key, user_id)
);

ALTER TABLE users ALTER COLUMN vector SET STORAGE PLAIN;

ALTER TABLE faces
    ADD COLUMN user_id text COLLATE "C",
    ADD FOREIGN KEY (collection_key, user_id) REFERENCES users;

CREATE INDEX faces_of_user ON faces (collection_key, user_id) WHERE user_id IS NOT NULL;

ALTER TABLE face_counts RENAME TO collection_counts;
ALTER TABLE collection_counts ADD COLUMN users bigint NOT NULL DEFAULT 0;
ALTER TABLE collection_counts ALTER COLUMN faces SET DEFAULT 0;

CREATE TABLE tags (
    collection_key bigint NOT NULL REFERENCES collections ON DELETE CASCADE,
    tag_key        text COLLATE "C" NOT NULL,
    tag_value      text NOT NULL,
    PRIMARY KEY (collection_key, tag_key)
);

-- Requests that carried a ClientRequestToken, with what was answered: a repeated one changes nothing.
CREATE TABLE client_requests (
    collection_key bigint NOT NULL REFERENCES collections ON DELETE CASCADE,
    operation      text NOT NULL,
    token          text NOT NULL,
    request_digest bytea NOT NULL,
    response       jsonb,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (collection_key, operation, token)
);

CREATE INDEX client_requests_by_age ON client_requests (collection_key, created_at);
