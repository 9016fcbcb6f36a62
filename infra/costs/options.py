"""What each setting of a deployment adds to a month."""

from __future__ import annotations

from typing import Final

from facedex.api.catalog import OPERATIONS, OTHER_FUNCTIONS
from infra.costs.model import Use, deployment
from infra.costs.tables import HOURS, MILLION, table
from infra.fields import StackFields
from infra.rows import SPARE, memory

_MONTH: Final = HOURS * 3600  # seconds
# Settings that cost nothing themselves.
FREE: Final = (
    "environment",
    "pack",
    "packs",
    "attributes",
    "python",
    "endpoint",
    "vpc_endpoints",
    "cidr",
    "pause_after",
    "database_ca",
    "database_auth",
    "database_resource",
    "database_secret",
    "database_secret_key",
    "database_pooled",
    "subnet_ids",
    "security_group_ids",
    "retention",
    "uploads_days",
    "uploads_concurrency",
    "versions_days",
    "delete_faces",
    "video_concurrency",
    "streams_concurrency",
    "video_streams",
    "data_streams",
    "bulk_buckets",
    "bulk_reports",
    "bulk_concurrency",
    "image_buckets",
    "rate",
    "burst",
    "waf_rate",
    "code_signing",
    "gateway_log_role",
)
# Operations that a deployment has only with the settings video and streams.
_OPTIONAL: Final = ("/v1/video/", "/v1/stream-processors")


def audit_rows(rows: int) -> float:
    """Return the dollars a month of the storage of rows of the audit log."""
    size = table("measured")["store"]["audit_row_bytes"]
    return float(rows * size / 2**30 * table("prices")["aurora"]["gib_month"])


def firewall(requests: int) -> float:
    """Return the dollars a month of the firewall, with its log."""
    prices, fixed = table("prices"), table("measured")["deployment"]
    waf = prices["waf"]
    logged = requests * fixed["firewall_log_bytes"] / 2**30
    return float(
        waf["acl_month"]
        + fixed["firewall_rules"] * waf["rule_month"]
        + requests / MILLION * waf["million_requests"]
        + logged * prices["cloudwatch"]["log_gib"]
    )


def bulk(photos: int) -> float:
    """Return the dollars for photos of a bulk execution, besides their indexing.

    Each is a workflow of the smallest billed memory, 64 MiB, which lasts as long as its function.
    """
    prices, measured = table("prices"), table("measured")
    states, function = prices["step_functions"], measured["index_faces"]
    milliseconds = function["milliseconds"] * measured["machine"]["lambda_factor"]
    seconds = (milliseconds + measured["store"]["overhead_ms"]) / 1000
    return float(
        photos / MILLION * (states["million_requests"] + prices["s3"]["million_gets"])
        + photos * seconds * 64 / 1024 * states["gib_second"]
    )


def pages(visits: int) -> float:
    """Return the dollars of first visits to the console that open every page of it."""
    prices, console = table("prices"), table("measured")["console"]
    files, functions = console["files"], prices["lambda"]
    gib = OTHER_FUNCTIONS["console"].memory / 1024
    requests = visits * files / MILLION
    return float(
        requests * (prices["api_gateway"]["million_requests"] + functions["million_requests"])
        + visits * files * console["seconds"] * gib * functions["gib_second_arm64"]
        + visits * console["bytes"] / 2**30 * prices["transfer"]["gib_out"]
    )


def metrics(requests: int) -> float:
    """Return the dollars a month of the functions' own metrics, with their lines in the log."""
    prices, fixed = table("prices")["cloudwatch"], table("measured")["deployment"]
    lines = requests * fixed["metric_log_bytes"] / 2**30
    return float(fixed["metric_series"] * prices["metric_month"] + lines * prices["log_gib"])


def own_database(requests: int) -> float:
    """Return what a database of the user's own adds, which is less than nothing.

    The stack then has no Aurora, no interface endpoints and no alarm on the database.
    """
    parts = deployment(Use("search_faces_by_image", requests, 100_000))
    absent = ("Aurora, capacity", "Aurora, storage and I/O", "interface endpoints")
    alarm = table("prices")["cloudwatch"]["alarm_month"]
    return -sum(parts[name] for name in absent) - float(alarm)


def snapshots() -> float:
    """Return the dollars a month of the snapshots of the API's functions."""
    settings = StackFields()
    kept = [
        memory(row, settings) for row in OPERATIONS.values() if not row.path.startswith(_OPTIONAL)
    ]
    kept.append(memory(OTHER_FUNCTIONS["front_door"], settings))
    return float(sum(kept) / 1024 * _MONTH * table("prices")["lambda"]["snapstart_gib_second"])


def provisioned() -> float:
    """Return the dollars a month of one copy of the front door that is kept warm."""
    gib = OTHER_FUNCTIONS["front_door"].memory / 1024
    return float(gib * _MONTH * table("prices")["lambda"]["provisioned_gib_second_arm64"])


def more_memory(requests: int) -> float:
    """Return the dollars a month of searches with one GiB more memory, for larger copies."""
    larger, smaller = (
        deployment(Use("search_faces_by_image", requests, 100_000, gallery_memory=each))["Lambda"]
        for each in (SPARE + 1024, SPARE)
    )
    return larger - smaller


def proxy() -> float:
    """Return the dollars a month of an RDS Proxy in front of the smallest database."""
    prices = table("prices")["proxy"]
    return float(prices["least_acus"] * HOURS * prices["acu_hour"])


def rows(requests: int) -> list[tuple[tuple[str, ...], str]]:
    """Return the settings, in the order of docs/deploy.md, and what they cost.

    Args:
        requests: a month.
    """
    prices, fixed = table("prices"), table("measured")["deployment"]
    functions, aurora, s3 = prices["lambda"], prices["aurora"], prices["s3"]["gib_month"]
    logs, kms = prices["cloudwatch"]["log_gib"], prices["kms"]
    kept, restored = prices["cloudwatch"]["kept_log_gib_month"], functions["snapstart_gib_restored"]
    secret = prices["secrets_manager"]["secret_month"]
    unit = HOURS * aurora["acu_hour"]
    endpoint = HOURS * prices["endpoint"]["hour"]
    logged = requests * fixed["log_bytes"] / 2**30
    more = 100 * (functions["gib_second_x86_64"] / functions["gib_second_arm64"] - 1)
    return [
        (("architecture",), f"`x86_64`: {more:.0f} % more for the time of functions"),
        (
            ("auth",),
            f"`keys`: {endpoint:.2f} for the endpoint of Secrets Manager, {secret:.2f} for its"
            " secret, and `waf`",
        ),
        (("flow_logs", "database_logs"), f"{logs:.2f} for each GiB of the log"),
        (
            ("console",),
            f"at most {pages(1000):.2f} for a thousand first visits; browsers keep the files, so"
            " later ones cost less",
        ),
        (
            ("endpoint_zones",),
            f"{endpoint:.2f} for each interface endpoint in the second zone (one with `uploads` or"
            " `video`, three with `streams`, one more with `auth=keys` and with `topics`)",
        ),
        (
            ("gallery_memory",),
            f"nothing up to {SPARE:,}; {more_memory(requests):.2f} for each further"
            f" 1,024; what it saves is [below](#searches-in-a-copy-of-the-gallery)",
        ),
        (
            ("min_capacity",),
            f"{unit:.2f} for each ACU; with 0, capacity costs nothing while the database is paused",
        ),
        (("max_capacity",), f"nothing itself; at most {unit:.2f} for each ACU, if used all month"),
        (
            ("readers",),
            f"{fixed['minimum_acu'] * unit:.2f} for each that has {fixed['minimum_acu']} ACU all"
            " month",
        ),
        (("proxy",), f"{proxy():.2f} or more, and the database never pauses"),
        (
            ("database_url",),
            f"{own_database(requests):.2f}: no Aurora and no endpoints of the stack; your database"
            " costs what it costs today",
        ),
        (
            ("backup_days",),
            f"{aurora['backup_gib_month']:.3f} for each GiB of changes that are kept, beyond the"
            " size of the database",
        ),
        (
            ("audit", "audit_days"),
            f"{audit_rows(MILLION):.2f} for each million rows that are kept: one for each change,"
            " or with `all` for each request",
        ),
        (("uploads",), f"{s3:.3f} for each GiB of photos, and {endpoint:.2f} for the endpoint"),
        (("versioning",), f"{s3:.3f} for each GiB of old photos"),
        (
            ("video",),
            f"{endpoint:.2f}, if there is no endpoint for `uploads`; the work by the second",
        ),
        (
            ("bulk",),
            f"{bulk(MILLION):.2f} for a million photos: workflows of Step Functions, reads of S3;"
            " indexing costs as above, without the API Gateway",
        ),
        (("streams",), "see [below](#a-stream-that-is-searched-all-month)"),
        (("topics",), f"{endpoint:.2f} for the endpoint"),
        (("waf",), f"{firewall(requests):.2f} (on with `auth=keys`)"),
        (
            ("kms_key",),
            f"{kms['key_month']:.2f} for a key of the stack's own, and"
            f" {kms['million_requests']:.2f} for a million uses of it: starts of functions,"
            " messages, uploads",
        ),
        (
            ("log_days",),
            f"{kept:.2f} for each GiB that is kept; a month's log has {logged:.1f} GiB",
        ),
        (
            ("alarm_email", "alarm_topic"),
            f"nothing; the {fixed['alarms']} alarms cost"
            f" {fixed['alarms'] * prices['cloudwatch']['alarm_month']:.2f} with or without",
        ),
        (("dashboard",), f"{prices['cloudwatch']['dashboard_month']:.2f}"),
        (
            ("metrics",),
            f"{metrics(requests):.2f}: {prices['cloudwatch']['metric_month']:.2f} for each metric"
            " and combination of its dimensions that occurs, and the lines in the log",
        ),
        (
            ("tracing",),
            f"`false`: {requests / MILLION * prices['xray']['million_traces']:.2f} less",
        ),
        (
            ("sweep_minutes",),
            "each sweep resumes a paused database for `pause_after` seconds; with 5 or less it"
            f" never pauses: {fixed['minimum_acu'] * unit:.2f}",
        ),
        (
            ("snapstart",),
            f"{snapshots():.2f}, and {restored:.5f} for each GiB that a start restores",
        ),
        (("provisioned",), f"{provisioned():.2f} for each copy"),
        (FREE, "nothing"),
    ]
