"""A worker process for a queue; see ``facedex_local.workers.processes``."""

from __future__ import annotations

import sys

from facedex_local import lifeline

if __name__ == "__main__":
    lifeline.watch()
    # Imported only now: the imports take seconds, in which the server may be killed.
    from facedex_local.workers.processes import work

    work(sys.argv[1], int(sys.argv[2]), sys.argv[3])
