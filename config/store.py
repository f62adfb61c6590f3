"""Where the settings let the inbox be kept, if that isn't the data folder: a URL of PostgreSQL."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

from .redact import redact

_SCHEMES: Final = ("postgresql", "postgres")


def check_store(url: str) -> None:
    """
    Check the URL of a store, as far as that goes without its server.

    A password may stand in front of the host, where it is hidden whenever the URL is shown. Raises
    `ValueError`.
    """
    if url.partition("://")[0] not in _SCHEMES:
        raise ValueError(f'"{redact(url)}" is no store; it is postgresql://USER@HOST/DATABASE')
    rest = url.partition("://")[2]
    login, _, place = rest.partition("@")
    if "@" in (rest if "/" in login else place).partition("?")[0]:  # libpq cuts it so
        raise ValueError(
            "the URL of the store has an @ or / in a name or password, which would be shown as the "
            "host; write %40 and %2F"
        )
    try:
        said = parse_qs(urlsplit(url).query)
    except ValueError as error:
        raise ValueError(f"the URL of the store can't be read: {error}") from None
    if secret := next((name for name in said if "password" in name), None):
        raise ValueError(
            f"{secret} can't be given behind the ?; write USER:PASSWORD@HOST, or use ~/.pgpass"
        )
