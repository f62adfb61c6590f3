"""The kit's files, all made from the catalogue, and how they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bindpost import __version__
from bindpost.events import CATALOGUE

from .journal_catalogue import journal_catalogue
from .message_dll import message_dll
from .message_table import messages, pack
from .readme import readme
from .registration import registration
from .sigma import sigma_rules

DEFAULT_DLL_PATH: Final = r"%SystemRoot%\System32\bindpost.dll"


def kit_files(dll_path: str = DEFAULT_DLL_PATH) -> dict[str, bytes]:
    """
    Give the files by their names, which have `/` in them for a folder.

    `dll_path` is where the DLL will be on the Windows machine. Raises `ValueError` if it isn't one
    line of ASCII.
    """
    if not (dll_path.isascii() and dll_path.isprintable() and dll_path.strip()):
        raise ValueError("write a path in ASCII, for NT 4's registry files hold nothing else")
    return {
        "README.md": readme(__version__, dll_path),
        "bindpost.dll": message_dll(pack(messages(CATALOGUE))),
        "bindpost.reg": registration(dll_path),
        "bindpost.catalog": journal_catalogue(CATALOGUE),
        **{f"sigma/{name}": text for name, text in sigma_rules().items()},
    }


def write_kit(folder: Path, dll_path: str = DEFAULT_DLL_PATH) -> list[Path]:
    """
    Write the files into a folder, which is made if need be; give their paths.

    A file of the same name is replaced, anything else is left. Raises `OSError` and `ValueError`.
    """
    paths = []
    for name, content in kit_files(dll_path).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    return paths
