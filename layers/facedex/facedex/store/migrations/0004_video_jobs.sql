-- Jobs on stored video. The row is also the outbox of the job's notification: it is due from
-- finished_at until notified_at.
CREATE TABLE video_jobs (
    job_id         text COLLATE "C" PRIMARY KEY,
    operation      text NOT NULL,
    status         text NOT NULL DEFAULT 'IN_PROGRESS'
                   CHECK (status IN ('IN_PROGRESS', 'SUCCEEDED', 'FAILED')),
    status_message text,
    bucket         text NOT NULL,
    object_name    text NOT NULL,
    object_version text,
    -- What the object was when the job was started: another one under its name is not read.
    etag           text NOT NULL,
    size           bigint NOT NULL,
    -- Not a reference: a deleted collection's key is never used again, and the job says so.
    collection_key bigint,
    collection_id  text,
    threshold      double precision,
    model_version  text NOT NULL,
    topic_arn      text,
    job_tag        text,
    request_token  text COLLATE "C",
    request_digest bytea,
    -- Of the planned film, as its reader made it; and the frames a second that are looked at.
    film           jsonb,
    rate           real,
    created_at     timestamptz NOT NULL DEFAULT now(),
    progressed_at  timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz,
    notify_after   timestamptz NOT NULL DEFAULT now(),
    notify_tries   smallint NOT NULL DEFAULT 0,
    notified_at    timestamptz,
    expires_at     timestamptz NOT NULL
);

CREATE UNIQUE INDEX video_jobs_by_token ON video_jobs (operation, request_token)
    WHERE request_token IS NOT NULL;
CREATE INDEX video_jobs_running ON video_jobs (progressed_at) WHERE status = 'IN_PROGRESS';
CREATE INDEX video_jobs_unannounced ON video_jobs (notify_after)
    WHERE finished_at IS NOT NULL AND notified_at IS NULL AND topic_arn IS NOT NULL;
CREATE INDEX video_jobs_by_expiry ON video_jobs (expires_at);

-- The work of a running job: task -1 plans it, every other is the segment of that number.
CREATE TABLE video_tasks (
    job_id       text COLLATE "C" NOT NULL REFERENCES video_jobs ON DELETE CASCADE,
    task         integer NOT NULL,
    starts       bigint NOT NULL, -- milliseconds of the film
    ends         bigint NOT NULL,
    lease        uuid,            -- of the worker that has it
    leased_until timestamptz,
    attempts     smallint NOT NULL DEFAULT 0,
    sends        smallint NOT NULL DEFAULT 0,
    send_after   timestamptz NOT NULL DEFAULT now(),
    done_at      timestamptz,
    PRIMARY KEY (job_id, task)
);

CREATE INDEX video_tasks_to_send ON video_tasks (send_after) WHERE done_at IS NULL;

-- What workers have seen, kept until the job is over: only here do vectors of a film stand.
CREATE TABLE video_tracks (
    job_id     text COLLATE "C" NOT NULL REFERENCES video_jobs ON DELETE CASCADE,
    task       integer NOT NULL,
    track      integer NOT NULL,
    timestamps bigint[] NOT NULL,
    faces      real[] NOT NULL, -- a row of numbers for each timestamp
    vector     bytea NOT NULL,  -- float32
    views      integer NOT NULL,
    clear      boolean NOT NULL, -- whether the vector says who it is
    matches    jsonb NOT NULL,
    PRIMARY KEY (job_id, task, track)
);

-- Results. No vector, no picture.
CREATE TABLE video_persons (
    job_id  text COLLATE "C" NOT NULL REFERENCES video_jobs ON DELETE CASCADE,
    person  integer NOT NULL,
    matches jsonb NOT NULL,
    PRIMARY KEY (job_id, person)
);

CREATE TABLE video_sightings (
    job_id   text COLLATE "C" NOT NULL REFERENCES video_jobs ON DELETE CASCADE,
    sighting bigint NOT NULL, -- in the order of time, from 1
    person   integer NOT NULL,
    moment   bigint NOT NULL, -- milliseconds of the film
    face     real[] NOT NULL,
    PRIMARY KEY (job_id, sighting)
);

CREATE INDEX video_sightings_by_person ON video_sightings (job_id, person, sighting);
