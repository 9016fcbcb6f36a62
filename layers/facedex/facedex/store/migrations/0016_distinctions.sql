-- Faces that a person has found not to be those of a user.
CREATE TABLE distinctions (
    collection_key bigint NOT NULL,
    face_id        uuid NOT NULL,
    user_id        text COLLATE "C" NOT NULL,
    PRIMARY KEY (collection_key, face_id, user_id),
    FOREIGN KEY (collection_key, face_id) REFERENCES faces ON DELETE CASCADE,
    FOREIGN KEY (collection_key, user_id) REFERENCES users ON DELETE CASCADE
);

-- For the removal of users.
CREATE INDEX distinctions_by_user ON distinctions (collection_key, user_id);

ALTER TABLE distinctions ALTER COLUMN user_id SET STATISTICS 0;
ALTER TABLE distinctions SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100);
