"""Capabilities: keeps one of root's rights on Linux when root is given up (prctl, capset)."""

from __future__ import annotations

import ctypes
import os
from typing import Final

NET_BIND_SERVICE: Final = 10
"""The right to ports below 1024 (capabilities(7))."""
_KEEP_CAPABILITIES: Final = 8
_NO_NEW_PRIVILEGES: Final = 38
_VERSION_3: Final = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Words(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def keep_when_user_changes() -> None:
    """Let this thread keep its capabilities when it becomes another user. Raises `OSError`."""
    _prctl(_KEEP_CAPABILITIES)


def keep_only(*capabilities: int) -> None:
    """
    Give up all capabilities of this thread but these, which no program that it starts gets.

    Threads that it starts later have the same ones. What was given up can't come back, not by a
    set-user-ID program either. Raises `OSError`, with EPERM for one that it hasn't got.
    """
    words = (_Words * 2)()  # 64 bits
    for capability in capabilities:
        word = words[capability // 32]
        word.effective |= 1 << capability % 32
        word.permitted |= 1 << capability % 32
    header = _Header(_VERSION_3, 0)
    _call("capset", ctypes.byref(header), words)
    _prctl(_NO_NEW_PRIVILEGES)


def _prctl(option: int) -> None:
    unused = ctypes.c_ulong(0)
    _call("prctl", ctypes.c_int(option), ctypes.c_ulong(1), unused, unused, unused)


def _call(name: str, *arguments: object) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
