"""Only the pid file of a server that has ended is removed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from facedex_local.postgres.postmaster import drop_foreign_lock


def test_the_lock_of_a_server_for_a_single_user_stays_while_it_runs(tmp_path: Path) -> None:
    program = tmp_path / "postgres"
    program.symlink_to(sys.executable)
    lock = tmp_path / "postmaster.pid"
    command = [str(program), "-S", "-c", "print('running', flush=True); input()"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        assert server.stdout.readline() == "running\n"
        lock.write_text(f"-{server.pid}\n")
        drop_foreign_lock(tmp_path)
        assert lock.exists()
        server.kill()
