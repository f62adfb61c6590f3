"""Where the settings let the data be kept."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import platformdirs

from .model import Settings

IN_MEMORY: Final = ":memory:"


def data_location(settings: Settings, folder: Path) -> str | Path:
    """
    Give the data folder, or `IN_MEMORY`.

    `folder` is what relative names are relative to. Where nothing is set it is the platform's state
    folder.
    """
    if settings.data == IN_MEMORY:
        return IN_MEMORY
    return folder / settings.data if settings.data else platformdirs.user_state_path("bindpost")
