"""What the settings for a security review add to a month."""

from __future__ import annotations

from infra.costs.model import MILLION, table


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


def rows(requests: int) -> list[tuple[str, str]]:
    """Return the settings and what they cost.

    Args:
        requests: a month.
    """
    prices = table("prices")
    kms, logs = prices["kms"], prices["cloudwatch"]["log_gib"]
    return [
        ("`waf` (on with `auth=keys`)", f"{firewall(requests):.2f}"),
        (
            "`kms_key`",
            f"{kms['key_month']:.2f} for a key of the stack's own, and"
            f" {kms['million_requests']:.2f} for a million uses of it: starts of functions,"
            " messages, uploads",
        ),
        (
            "`bulk`",
            f"{bulk(MILLION):.2f} for a million photos: workflows of Step Functions, reads of S3;"
            " indexing costs as above, without the API Gateway",
        ),
        ("`flow_logs`", f"{logs:.2f} for each GiB of the log"),
        ("`database_logs`", f"{logs:.2f} for each GiB of the log"),
        ("`versioning`", f"{prices['s3']['gib_month']:.3f} for each GiB of old photos"),
        ("`code_signing`", "nothing"),
    ]
