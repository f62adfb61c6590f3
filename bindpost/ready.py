"""The ready file: tells whoever started a process that everything is bound, and where."""

from __future__ import annotations

import json
import os
from pathlib import Path


def write_ready_file(path: Path, **facts: object) -> None:
    """Write the pid and these facts as JSON, whole or not at all; raises `OSError`."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps({"pid": os.getpid(), **facts}), "utf-8")
    scratch.replace(path)
