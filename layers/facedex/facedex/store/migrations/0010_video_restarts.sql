-- How often a job began again because its collection changed to another model while it ran.
ALTER TABLE video_jobs ADD COLUMN restarts smallint NOT NULL DEFAULT 0;
