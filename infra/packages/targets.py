"""Targets that packages are built for: a Lambda runtime, or this machine."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import Final

# Lambda's names of architectures, and the kernel's.
_MACHINES: Final = {"arm64": "aarch64", "x86_64": "x86_64"}
# Lambda's runtimes on Amazon Linux 2023. The one of Python 3.11 is on Amazon Linux 2, whose C
# library (glibc 2.26) is too old for the wheels of ONNX Runtime.
DEPLOYABLE: Final = ("3.12", "3.13", "3.14")
# On this machine the packages run with any Python that the product supports.
_PYTHONS: Final = ("3.11", *DEPLOYABLE)
# Amazon Linux 2023 has glibc 2.34, and wheels for older versions run there too.
_NEWEST_GLIBC: Final = 34
_OLDEST_GLIBC: Final = 17


class PackageError(RuntimeError):
    """A layer or a function's code cannot be built.

    The message is one sentence for the person at the terminal: what was wrong and what to do.
    """


@dataclass(frozen=True, slots=True)
class Target:
    """A platform and Python that packages are built for.

    Attributes:
        architecture: "arm64" or "x86_64".
        python: major and minor version, such as "3.14".

    Raises:
        PackageError: if there is no such target.
    """

    architecture: str
    python: str

    def __post_init__(self) -> None:
        if self.architecture not in _MACHINES:
            raise PackageError(
                f"There are no packages for the architecture {self.architecture!r}; Lambda has"
                f" {' and '.join(_MACHINES)}."
            )
        if self.python not in _PYTHONS:
            raise PackageError(
                f"There are no packages for Python {self.python!r}; it must be one of"
                f" {', '.join(_PYTHONS)}."
            )

    @classmethod
    def of_this_machine(cls) -> Target:
        """Return the target of this machine.

        Raises:
            PackageError: if Lambda has no such platform.
        """
        if sys.platform != "linux":
            raise PackageError(f"Packages for Lambda run on Linux, and this is {sys.platform}.")
        machine = platform.machine()
        names = {kernel: name for name, kernel in _MACHINES.items()}
        return cls(names.get(machine, machine), f"{sys.version_info[0]}.{sys.version_info[1]}")

    @property
    def platforms(self) -> list[str]:
        """Platform tags of wheels that run on the target, the newest first."""
        machine = _MACHINES[self.architecture]
        numbered = [f"manylinux_2_{n}" for n in range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1)]
        return [f"{name}_{machine}" for name in (*numbered, "manylinux2014")]

    @property
    def markers(self) -> dict[str, str]:
        """Values of the environment markers of PEP 508 on the target."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": _MACHINES[self.architecture],
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
            "extra": "",
        }


def targets() -> list[Target]:
    """Return all targets."""
    return [Target(architecture, python) for architecture in _MACHINES for python in _PYTHONS]


DEFAULT: Final = Target("arm64", "3.14")
