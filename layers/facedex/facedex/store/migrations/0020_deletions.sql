-- As in 0009, with a lock that only excludes the removal of the collection's rows and an upgrade.
-- The lock before excluded the update that marks a collection as deleted, too: as the locks of
-- writers do not queue, a deletion could wait for as long as there were writers.
CREATE OR REPLACE FUNCTION begin_image(
    wanted_collection bigint, wanted_image uuid, wanted_model text, known_upgrade text
) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM FROM collections
    WHERE collection_key = wanted_collection AND deleted_at IS NULL
        AND model_version = wanted_model
    FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM FROM upgrades
    WHERE collection_key = wanted_collection AND model_version IS DISTINCT FROM known_upgrade;
    IF FOUND THEN
        RETURN false;
    END IF;
    PERFORM lock_name(wanted_image::text);
    PERFORM FROM faces
    WHERE collection_key = wanted_collection AND image_id = wanted_image
    LIMIT 1;
    RETURN NOT FOUND;
END
$$;
