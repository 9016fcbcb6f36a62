-- The server whose memory has the film or the streams that the work needs: only its workers do the
-- work. Null if all workers reach them.
ALTER TABLE video_jobs ADD COLUMN server text COLLATE "C";
ALTER TABLE stream_processors ADD COLUMN server text COLLATE "C";
