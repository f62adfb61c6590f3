"""
SCRAM-SHA-256 (RFC 5802, RFC 7677): the server's half of one exchange, by scramp.

There is no channel binding: OpenSSL's `tls-exporter`, which TLS 1.3 needs for it (RFC 9266), can't
be had from Python's ssl module.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

import scramp  # type: ignore[import-untyped]  # it brings no types
from scramp.utils import ServerError  # type: ignore[import-untyped]

from .reply import MAX_LINE
from .sasl import MalformedResponseError

_LONGEST: Final = (MAX_LINE - len("334 ")) // 4 * 3
"""Octets of a challenge that a reply has room for."""
_Keys = tuple[bytes, bytes, bytes, int]
"""Salt, stored key, server key and iterations."""


class WrongProofError(Exception):
    """The client doesn't know the password."""


class ScramExchange:
    """
    One exchange; `password_of` gives the password of a name, None of an unknown one.

    An unknown name is heard to the end and then refused, as a wrong password is. `nonce` and `salt`
    are random; tests with an RFC's examples give them.
    """

    def __init__(
        self,
        password_of: Callable[[str], bytes | None],
        *,
        nonce: str | None = None,
        salt: bytes | None = None,
    ) -> None:
        self._password_of = password_of
        self._salt = salt
        self._mechanism = scramp.ScramMechanism("SCRAM-SHA-256")
        self._server = self._mechanism.make_server(self._keys_of, s_nonce=nonce)
        self.name = ""

    def challenge(self, client_first: bytes) -> bytes:
        """Give the server's first message. Raises `MalformedResponseError`."""
        try:
            self._server.set_client_first(_text(client_first))
            challenge = str(self._server.get_server_first()).encode()
        except scramp.ScramException as error:
            raise MalformedResponseError from error
        if len(challenge) > _LONGEST:  # it has the client's nonce in it
            raise MalformedResponseError
        return challenge

    def prove(self, client_final: bytes) -> bytes:
        """
        Give the server's last message, its own proof that it knows the password.

        Raises `WrongProofError` and `MalformedResponseError`.
        """
        try:
            self._server.set_client_final(_text(client_final))
            return str(self._server.get_server_final()).encode()
        except scramp.ScramException as error:
            if error.server_error is ServerError.INVALID_PROOF:
                raise WrongProofError from error
            raise MalformedResponseError from error

    def _keys_of(self, name: str) -> _Keys:
        self.name = name
        password = self._password_of(name)
        try:
            if password is not None:
                return self._make_keys(password.decode())
        except scramp.ScramException:  # RFC 4013 forbids what is in the password
            pass
        return self._make_keys(secrets.token_hex())

    def _make_keys(self, password: str) -> _Keys:
        keys: _Keys = self._mechanism.make_auth_info(password, salt=self._salt)
        return keys


def _text(message: bytes) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError as error:
        raise MalformedResponseError from error
