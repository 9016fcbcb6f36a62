-- Set on a processor that was deleted while its worker writes the last records: the row remains
-- until the worker has released it. Its name then ends in '/' and its key, which no request can
-- name, so that the name is free at once.
ALTER TABLE stream_processors ADD COLUMN deleted_at timestamptz;

-- The number of frames of a segment that could not be decoded.
ALTER TABLE video_tasks ADD COLUMN damaged integer NOT NULL DEFAULT 0;
