"""All metrics: the only list of them, from which every place and the documentation is made."""

from __future__ import annotations

from typing import Final

from facedex.observability.definitions import FUNCTION, Kind, Metric, Place

_REQUESTS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
# From a small network's run on a fast processor to a large image's on a busy one.
_STEPS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_WORK: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
_QUEUES: Final = "AWS/SQS ApproximateNumberOfMessagesVisible"

# The label of a request whose operation does not exist: the names that callers make up are many.
UNKNOWN: Final = "unknown"

REQUESTS: Final = Metric(
    "requests_total",
    Kind.COUNTER,
    "Requests of the face API, by operation, HTTP status and error code.",
    ("operation", "status", "code"),
)
REQUEST_DURATION: Final = Metric(
    "request_duration_seconds",
    Kind.HISTOGRAM,
    "Time from a request's arrival at its function to the response.",
    ("operation",),
    buckets=_REQUESTS,
)
HTTP_REQUESTS: Final = Metric(
    "http_requests_total",
    Kind.COUNTER,
    "Requests on the port, by service and HTTP status, those included that reach no function.",
    ("service", "status"),
    place=Place.MACHINE,
    instead="AWS/ApiGateway Count, 4XXError, 5XXError",
)
REQUESTS_REFUSED: Final = Metric(
    "requests_refused_total",
    Kind.COUNTER,
    "Requests refused because of their signature or their caller's permission.",
    place=Place.DEPLOYMENT,
    always=True,
)
STAGE_DURATION: Final = Metric(
    "image_stage_duration_seconds",
    Kind.HISTOGRAM,
    "Time of one stage of an image or a frame, including the wait for its turn.",
    ("stage",),
    buckets=_STEPS,
    span="{stage}",
)
INFERENCE_DURATION: Final = Metric(
    "inference_duration_seconds",
    Kind.HISTOGRAM,
    "Time of one run of a network, without the wait for a processor.",
    ("pack", "network"),
    buckets=_STEPS,
    span="inference {network}",
)
INFERENCE_WAITING: Final = Metric(
    "inference_waiting",
    Kind.GAUGE,
    "Runs of networks that wait for a processor.",
    place=Place.MACHINE,
)
DECODED_PIXELS: Final = Metric(
    "decoded_pixels_total",
    Kind.COUNTER,
    "Pixels of decoded images, after the reduction of large ones.",
)
DECODING_PIXELS: Final = Metric(
    "decoding_pixels",
    Kind.GAUGE,
    "Pixels of large images that are in memory for their decoding.",
    place=Place.MACHINE,
)
DECODING_WAITING: Final = Metric(
    "decoding_waiting",
    Kind.GAUGE,
    "Large images that wait for their turn to be decoded.",
    place=Place.MACHINE,
)
PACKS_LOADED: Final = Metric(
    "packs_loaded",
    Kind.GAUGE,
    "Model packs in memory, of all processes together.",
    place=Place.MACHINE,
)
SEARCH_DURATION: Final = Metric(
    "search_duration_seconds",
    Kind.HISTOGRAM,
    "Time of one search of a collection, by what was searched for: faces or users.",
    ("target",),
    buckets=_STEPS,
    span="search {target}",
)
GALLERY_BYTES: Final = Metric(
    "gallery_resident_bytes",
    Kind.GAUGE,
    "Memory of the copies of large galleries that are searched in memory, of all processes.",
    place=Place.MACHINE,
)
GALLERY_VECTORS: Final = Metric(
    "gallery_resident_vectors",
    Kind.GAUGE,
    "Vectors in these copies.",
    place=Place.MACHINE,
)
GALLERY_EVENTS: Final = Metric(
    "gallery_events_total",
    Kind.COUNTER,
    "Events of the copies of large galleries: answers, widenings of their candidates, fallbacks"
    " to SQL, loads, attachments to another process's copy, refreshes, evictions, and too_large"
    " galleries.",
    ("event",),
)
DATABASE_WAIT: Final = Metric(
    "database_wait_seconds",
    Kind.HISTOGRAM,
    "Time until a database connection was available.",
    buckets=(0.0005, *_REQUESTS),
    span="database connection",
)
DATABASE_CONNECTIONS: Final = Metric(
    "database_connections",
    Kind.GAUGE,
    "Database connections of all processes, by state: used or idle.",
    ("state",),
    place=Place.MACHINE,
    instead="AWS/RDS DatabaseConnections",
)
DATABASE_CONNECTIONS_MAX: Final = Metric(
    "database_connections_max",
    Kind.GAUGE,
    "Database connections that all processes may open.",
    place=Place.MACHINE,
)
DATABASE_WAITING: Final = Metric(
    "database_waiting",
    Kind.GAUGE,
    "Threads that wait for a database connection.",
    place=Place.MACHINE,
)
DATABASE_UP: Final = Metric(
    "database_up",
    Kind.GAUGE,
    "1 if the database answered the scrape, otherwise 0. Without it, the gauges of jobs, streams"
    " and erasures are missing.",
    place=Place.MACHINE,
)
MESSAGES: Final = Metric(
    "messages_total",
    Kind.COUNTER,
    "Messages of queues that a function has processed, by result: done, or delivered again.",
    ("function", "result"),
)
MESSAGE_DURATION: Final = Metric(
    "message_duration_seconds",
    Kind.HISTOGRAM,
    "Time for which a function has worked on a message.",
    ("function",),
    buckets=_WORK,
)
QUEUE_MESSAGES: Final = Metric(
    "queue_messages",
    Kind.GAUGE,
    "Messages in a queue, by state: waiting, delayed, or in work.",
    ("queue", "state"),
    place=Place.MACHINE,
    instead=_QUEUES,
)
QUEUE_AGE: Final = Metric(
    "queue_oldest_message_age_seconds",
    Kind.GAUGE,
    "Age of the oldest message of a queue on this machine; 0 if it is empty.",
    ("queue",),
    place=Place.MACHINE,
    instead="AWS/SQS ApproximateAgeOfOldestMessage",
)
VIDEO_JOBS: Final = Metric(
    "video_jobs",
    Kind.GAUGE,
    "Jobs on stored video that are kept, by status.",
    ("status",),
    place=Place.MACHINE,
)
VIDEO_TASKS: Final = Metric(
    "video_tasks",
    Kind.GAUGE,
    "Unfinished tasks of video jobs in progress, by state: waiting, or in work.",
    ("state",),
    place=Place.MACHINE,
    instead=_QUEUES,
)
VIDEO_STALLED: Final = Metric(
    "video_stalled_seconds",
    Kind.GAUGE,
    "Longest time without progress of a running video job; 0 if none runs.",
    place=Place.MACHINE,
)
FRAMES: Final = Metric(
    "frames_analysed_total",
    Kind.COUNTER,
    "Frames searched for faces, by source: stored or live video.",
    ("source",),
)
STREAM_PROCESSORS: Final = Metric(
    "stream_processors",
    Kind.GAUGE,
    "Stream processors, by status.",
    ("status",),
    place=Place.MACHINE,
)
STREAM_LAG: Final = Metric(
    "stream_lag_seconds",
    Kind.GAUGE,
    "Age of the last media that the running stream processor most behind has completed; 0 without"
    " one.",
    place=Place.MACHINE,
)
STREAM_SKIPPED: Final = Metric(
    "stream_skipped_seconds_total",
    Kind.COUNTER,
    "Seconds of live video that workers have skipped because they were too far behind.",
    details=("stream_processor",),
    dimension=FUNCTION,
    always=True,
)
STREAMS_ACTIVE: Final = Metric(
    "stream_processors_active",
    Kind.GAUGE,
    "Stream processors that need or have a worker.",
    place=Place.DEPLOYMENT,
    dimension=FUNCTION,
    always=True,
)
STREAMS_FAILED: Final = Metric(
    "stream_processors_failed",
    Kind.GAUGE,
    "Stream processors that have failed.",
    place=Place.DEPLOYMENT,
    dimension=FUNCTION,
    always=True,
)
ERASURES_DUE: Final = Metric(
    "erasures_due",
    Kind.GAUGE,
    "Tables of the database with deleted rows whose bytes may still be on the disk.",
    place=Place.MACHINE,
)
ERASURE_AGE: Final = Metric(
    "erasure_age_seconds",
    Kind.GAUGE,
    "Longest time since the last erasure of a table for which one is due; 0 if none is due.",
    place=Place.MACHINE,
)
DELETIONS_DUE: Final = Metric(
    "collection_deletions_due",
    Kind.GAUGE,
    "Deleted collections some of whose rows are not removed yet.",
    place=Place.MACHINE,
)
PROCESSES: Final = Metric(
    "processes",
    Kind.GAUGE,
    "Processes of the server, by role.",
    ("role",),
    place=Place.MACHINE,
    instead="AWS/Lambda ConcurrentExecutions",
)
PROCESS_MEMORY: Final = Metric(
    "process_resident_memory_bytes",
    Kind.GAUGE,
    "Memory of the server's processes, by role; without Postgres.",
    ("role",),
    place=Place.MACHINE,
)
MEMORY_USED: Final = Metric(
    "memory_used_bytes",
    Kind.GAUGE,
    "Largest memory that this copy of a function has used so far.",
    place=Place.DEPLOYMENT,
    dimension=FUNCTION,
)
COLD_STARTS: Final = Metric(
    "cold_start",
    Kind.COUNTER,
    "Starts of new copies of a function.",
    place=Place.DEPLOYMENT,
    dimension="function_name",  # Powertools' name of it
)
BUILD: Final = Metric(
    "build_info",
    Kind.GAUGE,
    "1, with the version of the server.",
    ("version",),
    place=Place.MACHINE,
)

METRICS: Final = tuple(value for value in globals().values() if isinstance(value, Metric))
