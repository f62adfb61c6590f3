"""
Signature: how a receiver knows that a request is ours, as Standard Webhooks has it.

https://www.standardwebhooks.com, "symmetric": HMAC-SHA256 over `id.timestamp.body`, so that neither
can be swapped and an old request can't be sent again later unnoticed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

PREFIX: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """
    Give the key that a secret stands for.

    Behind `whsec_` stands base64, any other text is the key itself in UTF-8. Raises `ValueError`
    with a sentence that doesn't show it.
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"what stands behind {PREFIX} is no base64") from None
    if not key:
        raise ValueError(f"nothing stands behind {PREFIX}")
    return key


def sign(key: bytes, delivery: str, timestamp: int, body: bytes) -> str:
    """Give the value of the field `webhook-signature`."""
    signed = f"{delivery}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode('ascii')}"
