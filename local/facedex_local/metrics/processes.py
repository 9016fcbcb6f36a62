"""The processes of the server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import psutil

# A part of the command line of this server's other processes, and their role.
_ROLES: Final = {
    "facedex_local.replica": "server",
    "facedex_local.workers.__main__": "",  # the function that follows
}
_SERVER: Final = "server"


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the server.

    Attributes:
        role: "server" if it answers requests, otherwise its function.
        memory: its resident memory in bytes.
    """

    id: int
    role: str
    memory: int


def find() -> list[Process]:
    """Return the processes of the server whose first process this is; without Postgres."""
    own = psutil.Process(os.getpid())
    found = [Process(own.pid, _SERVER, own.memory_info().rss)]
    for child in own.children():
        try:
            if role := _role(child.cmdline()):
                found.append(Process(child.pid, role, child.memory_info().rss))
        except psutil.Error:
            continue  # it has just ended
    return found


def _role(command: list[str]) -> str:
    for module, role in _ROLES.items():
        if module in command:
            return role or "".join(command[command.index(module) + 1 :][:1])
    return ""
