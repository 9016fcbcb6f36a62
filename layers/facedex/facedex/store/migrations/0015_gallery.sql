-- The log of changes from which copies of galleries in memory are brought up to date. A row names
-- the transaction that added, changed or removed a face or user. The reader of a copy knows which
-- transactions the copy's snapshot sees, and therefore which rows it lacks, whatever the order in
-- which transactions commit. Rows have ids only, and are removed after some minutes.
CREATE TABLE gallery_changes (
    collection_key bigint NOT NULL,
    of_users       boolean NOT NULL,
    changed_by     xid8 NOT NULL,
    item           uuid NOT NULL
);

CREATE INDEX gallery_changes_by_transaction
    ON gallery_changes (collection_key, of_users, changed_by);

ALTER TABLE gallery_changes ALTER COLUMN item SET STATISTICS 0;
-- Inserts alone would start it otherwise.
ALTER TABLE gallery_changes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- All changes by transactions below pruned_before may be gone from the log; the next removal goes as
-- far as next_before, not before next_at.
CREATE TABLE gallery_log (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    pruned_before xid8 NOT NULL,
    next_before   xid8 NOT NULL,
    next_at       timestamptz NOT NULL
);

INSERT INTO gallery_log (pruned_before, next_before, next_at)
SELECT pg_snapshot_xmin(pg_current_snapshot()), pg_snapshot_xmin(pg_current_snapshot()), now();

-- A copy has ids of 16 bytes, for faces and users alike, and no names.
ALTER TABLE users ADD COLUMN user_key uuid NOT NULL DEFAULT gen_random_uuid();
CREATE UNIQUE INDEX users_by_key ON users (collection_key, user_key);

-- The transaction that last gave all faces of the collection other vectors, null for none.
ALTER TABLE collections ADD COLUMN replaced_by xid8;

CREATE FUNCTION note_replaced_vectors() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.replaced_by := pg_current_xact_id();
    RETURN NEW;
END
$$;

CREATE TRIGGER note_replaced_vectors BEFORE UPDATE OF model_version ON collections
    FOR EACH ROW EXECUTE FUNCTION note_replaced_vectors();

-- The rows of a deleted collection are removed without a log: nothing searches it any more.
CREATE FUNCTION log_changed_faces() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO gallery_changes (collection_key, of_users, changed_by, item)
    SELECT collection_key, false, pg_current_xact_id(), face_id
    FROM changed JOIN collections USING (collection_key)
    WHERE collections.deleted_at IS NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION log_changed_users() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO gallery_changes (collection_key, of_users, changed_by, item)
    SELECT collection_key, true, pg_current_xact_id(), user_key
    FROM changed JOIN collections USING (collection_key)
    WHERE collections.deleted_at IS NULL;
    RETURN NULL;
END
$$;

-- The vector of a face never changes, except with all others of its collection (replaced_by).
CREATE TRIGGER log_added_faces AFTER INSERT ON faces
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION log_changed_faces();
CREATE TRIGGER log_removed_faces AFTER DELETE ON faces
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION log_changed_faces();
CREATE TRIGGER log_added_users AFTER INSERT ON users
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION log_changed_users();
CREATE TRIGGER log_changed_users AFTER UPDATE ON users
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION log_changed_users();
CREATE TRIGGER log_removed_users AFTER DELETE ON users
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION log_changed_users();
