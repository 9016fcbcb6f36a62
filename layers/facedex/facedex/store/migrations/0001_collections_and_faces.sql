CREATE EXTENSION IF NOT EXISTS vector;

-- Keys shared by every process on this database: signatures of page tokens.
CREATE TABLE secrets (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);

-- gen_random_uuid() draws from the server's strong random source; two make 244 random bits.
INSERT INTO secrets (name, value)
VALUES ('signing', uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- A collection keeps its key for life and its name only until it is deleted: from deleted_at on it
-- cannot be found, its name is free, and its rows are being removed.
CREATE TABLE collections (
    collection_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id  text COLLATE "C" NOT NULL,
    model_version  text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    deleted_at     timestamptz
);

CREATE UNIQUE INDEX collections_live ON collections (collection_id) WHERE deleted_at IS NULL;
CREATE INDEX collections_deleted ON collections (collection_key) WHERE deleted_at IS NOT NULL;

-- Every key starts with the collection, so that the table can be spread over several databases by it.
CREATE TABLE faces (
    collection_key    bigint NOT NULL REFERENCES collections,
    face_id           uuid NOT NULL,
    -- The same picture under the same external id is the same image, however often it is indexed.
    image_id          uuid NOT NULL,
    image_digest      bytea NOT NULL,
    external_image_id text,
    -- The face's place among the image's faces, largest first.
    face_number       smallint NOT NULL,
    box_left          real NOT NULL,
    box_top           real NOT NULL,
    box_width         real NOT NULL,
    box_height        real NOT NULL,
    confidence        real NOT NULL,
    -- No fixed dimension: the collection's model version decides it.
    vector            halfvec NOT NULL,
    indexed_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (collection_key, face_id),
    UNIQUE (collection_key, image_id, face_number)
);

-- Vectors do not compress, and a search reads every one: keep them in the row.
ALTER TABLE faces ALTER COLUMN vector SET STORAGE PLAIN;

-- FaceCount as a sum over a few rows: a writer adds to the row of its own backend, so that writers
-- do not queue for one counter, and the count needs no scan.
CREATE TABLE face_counts (
    collection_key bigint NOT NULL REFERENCES collections,
    slot           smallint NOT NULL,
    faces          bigint NOT NULL,
    PRIMARY KEY (collection_key, slot)
) WITH (fillfactor = 50);
