-- Stream processors: what each is, and how far its run is. A run is what lies between two starts.
CREATE TABLE stream_processors (
    processor_key    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name             text COLLATE "C" NOT NULL UNIQUE,
    video_stream_arn text NOT NULL,
    data_stream_arn  text NOT NULL,
    role_arn         text NOT NULL,
    -- Not a reference: a deleted collection's key is never used again, and the processor says so.
    collection_key   bigint NOT NULL,
    collection_id    text COLLATE "C" NOT NULL,
    threshold        double precision NOT NULL,
    data_sharing     boolean,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    status           text NOT NULL DEFAULT 'STOPPED'
                     CHECK (status IN ('STOPPED', 'STARTING', 'RUNNING', 'STOPPING', 'FAILED')),
    status_message   text,
    run              uuid,
    started_at       timestamptz,
    checkpoint       jsonb,       -- where the next worker of the run goes on
    lease            uuid,        -- of the worker that has it
    leased_at        timestamptz,
    leased_until     timestamptz,
    failures         smallint NOT NULL DEFAULT 0, -- workers in a row that did not get on
    sends            smallint NOT NULL DEFAULT 0,
    send_after       timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Of no column that a sign of life changes, so that these leave every index alone.
CREATE INDEX stream_processors_active ON stream_processors (processor_key)
    WHERE status IN ('STARTING', 'RUNNING', 'STOPPING');

CREATE TABLE stream_processor_tags (
    processor_key bigint NOT NULL REFERENCES stream_processors ON DELETE CASCADE,
    tag_key       text COLLATE "C" NOT NULL,
    tag_value     text NOT NULL,
    PRIMARY KEY (processor_key, tag_key)
);
