-- FaceModelVersion is a number as text from here on, one for each pack and version: what was dlib-2
-- is 1.2. The vectors stay the same. Names of packs that were never shipped stay as they are.
UPDATE collections SET model_version = packs.number || '.' || right(model_version, 1)
FROM (VALUES ('dlib', 1), ('opencv-zoo', 2), ('buffalo_sc', 3), ('buffalo_l', 4), ('antelopev2', 5))
    AS packs (name, number)
WHERE model_version ~ ('^' || packs.name || '-[1-9]$');

UPDATE video_jobs SET model_version = packs.number || '.' || right(model_version, 1)
FROM (VALUES ('dlib', 1), ('opencv-zoo', 2), ('buffalo_sc', 3), ('buffalo_l', 4), ('antelopev2', 5))
    AS packs (name, number)
WHERE model_version ~ ('^' || packs.name || '-[1-9]$');
