"""A process that works off a queue; see ``local.workers``."""

from __future__ import annotations

import sys

from local.workers import work

if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]), sys.argv[3])
