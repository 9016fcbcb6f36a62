"""Write docs/cost.md: ``python -m infra.costs > docs/cost.md``."""

from __future__ import annotations

from infra.costs.report import report

if __name__ == "__main__":
    print(report(), end="")
