"""Passwords of users: hashed by scrypt (RFC 7914), or plain, and compared."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

_LOG_N: Final = 15
_BLOCK: Final = 8
_PARALLEL: Final = 1
"""32 MiB and some 80 ms for a check; OWASP's cheat sheet names this cost with p = 3."""
_LARGEST: Final = 128 * 1024 * 1024
"""Bytes of memory that checking a password may take, whatever its file says."""
_LENGTH: Final = 32
_SALT: Final = 16
_FORM: Final = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)


class Scrypt(NamedTuple):
    """A hashed password and the cost of its hash; `log_n` is the cost's logarithm to base 2."""

    log_n: int
    block: int
    parallel: int
    salt: bytes
    digest: bytes

    @classmethod
    def make(cls, password: str) -> Self:
        """Hash a password, with a fresh salt; takes some 80 ms."""
        fresh = cls(_LOG_N, _BLOCK, _PARALLEL, secrets.token_bytes(_SALT), b"")
        return fresh._replace(digest=fresh.hash(password.encode(), _LENGTH))

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `$scrypt$ln=15,r=8,p=1$SALT$HASH`; raises `ValueError` with what is wrong."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError("is not $scrypt$ln=N,r=N,p=N$SALT$HASH")
        log_n, block, parallel = (int(number) for number in match.groups()[:3])
        try:
            salt, digest = (_decode(part) for part in match.groups()[3:])
        except binascii.Error:
            raise ValueError("has a salt or a hash that is no Base64") from None
        read = cls(log_n, block, parallel, salt, digest)
        if not (log_n and block and parallel) or read.memory > _LARGEST:
            raise ValueError(f"has a cost of 0, or of more than {_LARGEST} bytes")
        if len(digest) < _SALT:
            raise ValueError(f"has a hash of less than {_SALT} bytes")
        return read

    @property
    def memory(self) -> int:
        """Bytes that a check takes."""
        return 128 * self.block * ((1 << self.log_n) + self.parallel + 2)

    def hash(self, password: bytes, length: int) -> bytes:
        """Give the hash of a password under this salt and cost."""
        return hashlib.scrypt(
            password,
            salt=self.salt,
            n=1 << self.log_n,
            r=self.block,
            p=self.parallel,
            maxmem=2 * _LARGEST,
            dklen=length,
        )

    def matches(self, password: bytes) -> bool:
        """Say whether this is the password, in a time that doesn't depend on where it differs."""
        return hmac.compare_digest(self.hash(password, len(self.digest)), self.digest)

    def __str__(self) -> str:
        return (
            f"$scrypt$ln={self.log_n},r={self.block},p={self.parallel}"
            f"${_encode(self.salt)}${_encode(self.digest)}"
        )


@dataclass(frozen=True, slots=True)
class Plain:
    """
    A password as it is; it is compared by its digest, so that comparing doesn't tell its length.

    `password` is for mechanisms of AUTH that need it itself, and never shown.
    """

    digest: bytes
    password: bytes = field(default=b"", repr=False, compare=False)

    @classmethod
    def make(cls, password: str) -> Self:
        """Take a password."""
        encoded = password.encode()
        return cls(_sha256(encoded), encoded)

    def matches(self, password: bytes) -> bool:
        """Say whether this is the password, in a time that doesn't depend on where it differs."""
        return hmac.compare_digest(_sha256(password), self.digest)


Password = Scrypt | Plain


def read_password(text: str) -> Password:
    """Read what stands behind a user's name; raises `ValueError` for a hash that is malformed."""
    return Scrypt.read(text) if text.startswith("$scrypt$") else Plain.make(text)


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
