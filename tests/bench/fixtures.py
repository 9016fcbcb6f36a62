"""Time that the pytest fixtures add to each test.

The first test's time contains the start of the server, the last one's its end.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

_TESTS = """
import pytest

many = pytest.mark.parametrize("n", range({tests}))

@many
def test_rekognition(rekognition, n):
    pass

@many
def test_facedex_environment(facedex_environment, n):
    pass

@many
def test_facedex_environment_and_a_collection(facedex_environment, rekognition, n):
    rekognition.create_collection(CollectionId="staff")
"""

_CONFTEST = """
from collections import defaultdict

added = defaultdict(float)

def pytest_runtest_logreport(report):
    if report.when != "call":
        added[report.nodeid] += 1000 * report.duration

def pytest_terminal_summary(terminalreporter):
    groups = defaultdict(list)
    for name, taken in added.items():
        groups[name.partition("[")[0].partition("::")[2]].append(taken)
    for name, times in groups.items():
        times.sort()
        middle, high = times[len(times) // 2], times[len(times) * 95 // 100]
        line = f"{name}: median {middle:.1f} ms, 95th percentile {high:.1f}, most {times[-1]:.0f}"
        terminalreporter.write_line(line)
"""


def main(tests: int) -> None:
    with tempfile.TemporaryDirectory(prefix="facedex-bench-") as folder:
        Path(folder, "test_fixtures.py").write_text(_TESTS.format(tests=tests))
        Path(folder, "conftest.py").write_text(_CONFTEST)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    print(done.stdout)
    done.check_returncode()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
