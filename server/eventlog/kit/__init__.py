"""The event kit: what other programs need to show bindpost's events, made from the catalogue."""

from .files import DEFAULT_DLL_PATH, kit_files, write_kit

__all__ = ["DEFAULT_DLL_PATH", "kit_files", "write_kit"]
