"""What goes wrong on a Winsock Proxy path, as the Winsock error that bind() gave, with its cure."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bindpost.errors import BindError

from .. import wsa

_DISABLE: Final = (
    "if this machine does not go out through Microsoft Proxy Server, disable the Proxy Client "
    "(KB Q203116, Q193928 B)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """
    Makes the errors of one bind: `endpoint` and `path` are its object.

    Everything that makes the proxy path unusable is 10050 (KB Q203116, Q193928), with the cause in
    `detail`; a port that is taken on the proxy is 10048 (KB Q222553).
    """

    endpoint: str
    path: str

    def no_server(self, ipx_only: bool) -> BindError:
        """Give the error of a remote bind without a server that bindpost can talk to."""
        problem = "only IPX servers are" if ipx_only else "no proxy server is"
        return self._unusable(
            "resolve",
            f"{problem} configured",
            "give the proxy's IP address in MSPCLNT.INI, [Servers Ip Addresses] Addr1=",
        )

    def unresolvable(self, name: str, reason: str) -> BindError:
        """Give the error of a proxy name without an address."""
        return self._unusable(
            "resolve",
            f"the proxy's name {name!r} does not resolve: {reason}",
            "give the proxy's IP address (Addr1=) in place of its name (KB Q193928 A), or put the "
            "name with the proxy's internal address into the hosts file (KB Q193928 D)",
        )

    def unreachable(self, server: str, reason: str) -> BindError:
        """Give the error of datagrams that cannot get there, such as ICMP port unreachable."""
        return self._unusable(
            "connect",
            f"the proxy's control port {server} cannot be reached: {reason}",
            f"start the Winsock Proxy service there and check the port; {_DISABLE}",
        )

    def no_way_back(self, server: str, local_host: str, error: OSError) -> BindError:
        """Give the error of a local address from which no datagram gets to the proxy."""
        if error.errno == errno.EADDRNOTAVAIL:
            return self.local(error, "listen on an address that this machine has, or on 0.0.0.0")
        return self._unusable(
            "connect",
            f"nothing gets from {local_host} to the proxy's control port {server}: "
            f"{error.strerror or error}",
            "the proxy connects back to the address that is bound here; listen on one that it "
            "reaches, or on 0.0.0.0",
        )

    def silent(self, server: str, hop: str, heard: str) -> BindError:
        """Give the error of a proxy that does not answer."""
        what = f"{heard}, but no answer" if heard else "no answer"
        return self._unusable(
            hop,
            f"{what} from the proxy's control port {server}",
            f"check that the Winsock Proxy service runs there and that UDP passes; {_DISABLE}",
        )

    def junk(self, server: str, reason: str) -> BindError:
        """Give the error of an answer that is no Winsock Proxy message."""
        return self._unusable(
            "greeting",
            f"{server} answers, but is no Winsock Proxy: {reason}",
            f"give the address and control port of a Winsock Proxy (UDP 1745); {_DISABLE}",
        )

    def refused(self, server: str, hop: str, command: int) -> BindError:
        """Give the error of a 0x08xx reply; Winsock would call it 10013, the path is unusable."""
        if hop == "auth":
            return self.no_login(server, f"it refused with {command:#06x}")
        return self._unusable(
            hop,
            f"the proxy {server} refused with {command:#06x}: access denied (WSAEACCES, 10013)",
            "let the service's account use the Winsock Proxy for this port (KB Q181420, steps 8 "
            "and 9); if it wants a login, set ForceCredentials=1 in WSPCFG.INI, and user and "
            "password_file in the path's table",
        )

    def no_login(self, server: str, reason: str) -> BindError:
        """Give the error of a login that the proxy refuses, or that cannot be made there."""
        return self._unusable(
            "auth",
            f"no login to the proxy {server}: {reason}",
            "check user and password_file of the path's table, and that the account may use the "
            "Winsock Proxy (KB Q181420, steps 8 and 9)",
        )

    def in_use(self, server: str, port: int) -> BindError:
        """Give the error of a port that somebody else holds on the proxy."""
        return self._error(
            wsa.EADDRINUSE,
            "bind",
            f"port {port} is already in use on the proxy {server}",
            "stop what holds the port there, such as an SMTP service or a virus scanner "
            "(KB Q222553)",
        )

    def wrong_port(self, server: str, wanted: int, bound: int) -> BindError:
        """Give the error of a proxy that bound another port than the one that was asked for."""
        return self._error(
            wsa.EADDRINUSE,
            "bind",
            f"the proxy {server} bound port {bound} in place of {wanted}",
            f"free port {wanted} on the proxy",
        )

    def wrong_address(self, server: str, wanted: str, bound: str) -> BindError:
        """Give the error of a proxy that did not bind the address that ProxyBindIp asks for."""
        return self._unusable(
            "bind",
            f"the proxy {server} bound address {bound} in place of {wanted} (ProxyBindIp)",
            "give one of the proxy's external addresses in WSPCFG.INI, ProxyBindIp=",
        )

    def moved(self, server: str, old: str, new: str) -> BindError:
        """Give the error of a proxy that came back with another address for peers to dial."""
        return self._unusable(
            "bind",
            f"the proxy {server} is back, but binds {new} and no longer {old}",
            "restart the listener, and have peers dial its new address",
        )

    def local(self, error: OSError, hint: str) -> BindError:
        """Give the error of the local half of a remote bind, with the system's own code."""
        hop = "resolve" if isinstance(error, socket.gaierror) else "bind"
        detail = f"here: {error.strerror or error}"
        return self._error(wsa.code_of(error), hop, detail, hint, cause="here")

    def lost(self, server: str) -> BindError:
        """Give the error of a session whose proxy has stopped answering."""
        return self._unusable(
            "accept",
            f"the proxy {server} no longer answers; the remote bind is lost",
            "start the Winsock Proxy service again; with Persistent=1 in WSPCFG.INI the port is "
            "then bound by itself, without it the listener must be restarted (KB Q181420)",
        )

    def all_unusable(self, errors: Sequence[BindError]) -> BindError:
        """Give the error of several servers, none of which can be used; the last names the hop."""
        last = errors[-1]
        if len(errors) == 1:
            return last
        return self._unusable(last.hop, "; ".join(error.detail for error in errors), last.hint)

    def _unusable(self, hop: str, detail: str, hint: str) -> BindError:
        return self._error(wsa.ENETDOWN, hop, detail, hint)

    def _error(self, code: int, hop: str, detail: str, hint: str, *, cause: str = "") -> BindError:
        return BindError(
            code,
            endpoint=self.endpoint,
            path=self.path,
            hop=hop,
            detail=detail,
            hint=hint,
            cause=cause,
        )
