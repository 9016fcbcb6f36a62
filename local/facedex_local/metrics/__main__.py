"""Print the table of all metrics."""

from __future__ import annotations

from facedex_local.metrics.reference import table

if __name__ == "__main__":
    print(table())
