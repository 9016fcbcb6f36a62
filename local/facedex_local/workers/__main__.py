"""A worker process for a queue; see ``facedex_local.workers.processes``."""

from __future__ import annotations

import sys

from facedex_local.workers.processes import work

if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]), sys.argv[3])
