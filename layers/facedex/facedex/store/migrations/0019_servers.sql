-- The server whose memory has the film or the streams that the work needs: only its workers do the
-- work. Empty if other servers reach them. Null in rows of earlier releases: any worker takes them.
ALTER TABLE video_jobs ADD COLUMN server text COLLATE "C";
ALTER TABLE stream_processors ADD COLUMN server text COLLATE "C";
