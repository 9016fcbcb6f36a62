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
        ("`flow_logs`", f"{logs:.2f} for each GiB of the log"),
        ("`database_logs`", f"{logs:.2f} for each GiB of the log"),
        ("`versioning`", f"{prices['s3']['gib_month']:.3f} for each GiB of old photos"),
        ("`code_signing`", "nothing"),
    ]
