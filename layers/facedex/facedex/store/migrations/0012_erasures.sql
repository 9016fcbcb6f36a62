-- Up to which deletions each table was rewritten, so that no byte of a deleted row is left in it.
-- "removed" is Postgres's own count of deleted and replaced rows, which starts again after a crash;
-- "counted_since" is the time of that new start.
CREATE TABLE erasures (
    table_name    text COLLATE "C" PRIMARY KEY,
    removed       bigint NOT NULL,
    counted_since timestamptz,
    erased_at     timestamptz NOT NULL DEFAULT now()
);

-- ANALYZE copies values of rows into the planner's statistics, where they outlive the rows. No plan
-- depends on the values of these columns.
ALTER TABLE faces
    ALTER COLUMN vector SET STATISTICS 0,
    ALTER COLUMN external_image_id SET STATISTICS 0,
    ALTER COLUMN image_digest SET STATISTICS 0,
    ALTER COLUMN user_id SET STATISTICS 0;
ALTER TABLE users
    ALTER COLUMN vector SET STATISTICS 0,
    ALTER COLUMN user_id SET STATISTICS 0;
ALTER TABLE upgraded_faces ALTER COLUMN vector SET STATISTICS 0;
ALTER TABLE video_tracks
    ALTER COLUMN vector SET STATISTICS 0,
    ALTER COLUMN matches SET STATISTICS 0;
ALTER TABLE video_persons ALTER COLUMN matches SET STATISTICS 0;
ALTER TABLE client_requests ALTER COLUMN response SET STATISTICS 0;

-- Autovacuum would wait until a fifth of the rows are dead.
ALTER TABLE faces SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
ALTER TABLE users SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
