-- Whether a job measures all attributes of the faces, and not only the default ones.
ALTER TABLE video_jobs ADD COLUMN attributes boolean NOT NULL DEFAULT false;
