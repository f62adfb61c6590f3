"""A client's certificate, as TLS has verified it: what is kept of it, and whom it names."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import Any, Final

from ..message.model import ClientCertificate

_SHORT: Final = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}
"""The short names of RFC 4514, section 3; others stay as OpenSSL names them."""
_SPECIAL: Final = re.compile(r'[,+"\\<>;]|^[ #]| $')
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def certificate_of(transport: asyncio.BaseTransport) -> ClientCertificate | None:
    """
    Give the certificate by which a client has shown who it is, None where it has shown none.

    One that can't be read counts as none. OpenSSL has verified it by then, or there is no session.
    """
    end = transport.get_extra_info("ssl_object")
    try:
        verified: Any = end.getpeercert() if end is not None else None
    except ValueError:  # a name in it is no UTF-8; OpenSSL doesn't mind
        return None
    if not verified:
        return None
    return ClientCertificate(
        subject=_written(verified["subject"]),
        issuer=_written(verified["issuer"]),
        sha256=hashlib.sha256(end.getpeercert(binary_form=True)).hexdigest(),
        name=_name(verified),
    )


def _name(verified: Any) -> str:
    """Give whom a certificate names, empty if nobody, or nobody whose name can be written."""
    mail = [value for kind, value in verified.get("subjectAltName", ()) if kind == "email"]
    common = [value for part in verified["subject"] for key, value in part if key == "commonName"]
    name: str = (mail or common[-1:] or [""])[0]
    return "" if _UNSEEN.search(name) else name


def _written(name: Any) -> str:
    """Write a distinguished name (RFC 4514), in its own order."""
    return ",".join("+".join(_pair(key, value) for key, value in part) for part in name)


def _pair(key: str, value: str) -> str:
    escaped = _SPECIAL.sub(lambda match: "\\" + match[0], value)
    escaped = _UNSEEN.sub(
        lambda match: "".join(f"\\{octet:02X}" for octet in match[0].encode()), escaped
    )
    return f"{_SHORT.get(key, key)}={escaped}"
