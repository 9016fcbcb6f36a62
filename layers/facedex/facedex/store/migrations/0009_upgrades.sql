-- A collection on its way to another model: from its first new vector until all of them are there,
-- when the faces get them in one transaction.
CREATE TABLE upgrades (
    collection_key bigint PRIMARY KEY REFERENCES collections ON DELETE CASCADE,
    model_version  text NOT NULL,
    started_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE upgraded_faces (
    collection_key bigint NOT NULL REFERENCES upgrades ON DELETE CASCADE,
    face_id        uuid NOT NULL,
    vector         halfvec NOT NULL,
    PRIMARY KEY (collection_key, face_id),
    FOREIGN KEY (collection_key, face_id) REFERENCES faces ON DELETE CASCADE
);

ALTER TABLE upgraded_faces ALTER COLUMN vector SET STORAGE PLAIN;

-- Whether an image is new to a collection that is there with this model, and is on its way to no
-- other model than the caller knows of, null for none. As in 0007, which stays for processes of the
-- release before.
CREATE FUNCTION begin_image(
    wanted_collection bigint, wanted_image uuid, wanted_model text, known_upgrade text
) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM FROM collections
    WHERE collection_key = wanted_collection AND deleted_at IS NULL
        AND model_version = wanted_model
    FOR SHARE;
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
