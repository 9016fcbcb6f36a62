"""Nothing that a client sends reaches the terminal as a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from facedex.printing import printable

# Clears the screen, begins a control sequence in one byte, reverses text, forges a line.
EVIL = "\x1b[2J\x9b31m\u202e\x07\r\n12:00:00 GET /forged"

_PROGRAM = f"""
import logging, threading, warnings
from facedex.runtime.logs import get_logger
from facedex_local.terminal import escape_output

escape_output()
evil = {EVIL!r}
logging.getLogger("moto").warning("No support for %s", evil)
logging.getLogger("botocore").error(evil)
get_logger("facedex_functions.any").warning("The object %s", evil)
warnings.warn(evil)
def fail():
    raise ValueError(evil)
thread = threading.Thread(target=fail, name=evil)
thread.start()
thread.join()
try:
    fail()
except ValueError:
    logging.getLogger("asyncio").exception("Failed: %s", evil)
"""


def test_logs_warnings_and_tracebacks_are_escaped() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONUTF8": "1"},
    )
    text = ran.stderr.decode()
    assert text.replace("\n", "").isprintable()
    assert not any(line.startswith("12:00:00 GET /forged") for line in text.splitlines())
    for expected in ("No support for \\x1b[2J", "The object \\u001b[2J", "UserWarning: \\x1b[2J"):
        assert expected in text
    assert "The thread \\x1b[2J" in text or "The thread \\u001b[2J" in text
    (line,) = (each for each in text.splitlines() if '"message":"The object' in each)
    assert json.loads(line)["message"] == f"The object {EVIL}"


def test_names_keep_their_letters() -> None:
    assert printable("Jürgen 田中 #1") == "Jürgen 田中 #1"


@pytest.mark.parametrize("text", ["\x1b", "\x9b", "\n", "\u202e", "\x00", "\ud800"])
def test_each_control_character_is_escaped(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text) != text
