"""Write the computed tables of docs/scale.md again: ``python -m infra.scaling``."""

from __future__ import annotations

from infra.scaling.report import PAGE, filled

if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
