-- For uploads, which replace the faces of their name.
CREATE INDEX faces_by_external_image_id ON faces (collection_key, external_image_id)
    WHERE external_image_id IS NOT NULL;
