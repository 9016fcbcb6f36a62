-- Whether an image is new to a collection that is there. Until the end of the transaction the
-- collection is not deleted then, and nobody else is at the image.
-- A function, so that its three statements are one round trip. Each sees what is committed by the
-- time that it begins, so the last one sees what a twin has stored while the lock was waited for.
CREATE FUNCTION begin_image(wanted_collection bigint, wanted_image uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT
AS $$
BEGIN
    PERFORM FROM collections
    WHERE collection_key = wanted_collection AND deleted_at IS NULL
    FOR SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM lock_name(wanted_image::text);
    PERFORM FROM faces
    WHERE collection_key = wanted_collection AND image_id = wanted_image
    LIMIT 1;
    RETURN NOT FOUND;
END
$$;
