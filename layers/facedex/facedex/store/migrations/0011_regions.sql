-- Regions are separate namespaces: a collection or stream processor is found by its region and its
-- name, a job by its region and its id. What is there belongs to the region that the migrating
-- process is configured for. That region stays the default of the column, for processes of the
-- release before, which write none. A constant default rewrites no row.
DO $$
DECLARE
    named text;
BEGIN
    FOREACH named IN ARRAY ARRAY['collections', 'stream_processors', 'video_jobs'] LOOP
        EXECUTE format(
            'ALTER TABLE %I ADD COLUMN region text COLLATE "C" NOT NULL DEFAULT %L',
            named, current_setting('facedex.region')
        );
    END LOOP;
END
$$;

DROP INDEX collections_live;
CREATE UNIQUE INDEX collections_live ON collections (region, collection_id)
    WHERE deleted_at IS NULL;
-- For pages, in the order of creation.
CREATE INDEX collections_by_region ON collections (region, collection_key)
    WHERE deleted_at IS NULL;

ALTER TABLE stream_processors
    DROP CONSTRAINT stream_processors_name_key,
    ADD CONSTRAINT stream_processors_name_key UNIQUE (region, name);

-- video_jobs_by_token stays, because processes of the release before name its columns. A token is
-- stored with its region from here on, as 'us-east-1/TOKEN'.
