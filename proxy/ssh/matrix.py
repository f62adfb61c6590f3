"""What can go wrong on an ssh path: where, with which code, how it shows, and the cure."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from .. import wsa
from ..calling import NOTHING, UNTESTED

EACCES, EADDRINUSE, EADDRNOTAVAIL = wsa.EACCES, wsa.EADDRINUSE, wsa.EADDRNOTAVAIL
EAFNOSUPPORT, EINVAL, ENETDOWN = wsa.EAFNOSUPPORT, wsa.EINVAL, wsa.ENETDOWN
ECONNREFUSED, ETIMEDOUT, HOST_NOT_FOUND = wsa.ECONNREFUSED, wsa.ETIMEDOUT, wsa.HOST_NOT_FOUND
EPROTONOSUPPORT: Final = 10043
ECONNRESET: Final = 10054
EHOSTUNREACH: Final = 10065


class Row(NamedTuple):
    """
    One kind of failure.

    `hop` is the step that fails. `code` is the Winsock error that event 4007 carries: 10050 when
    the path is at fault, 10048 when the port is taken; or `NOTHING` or `UNTESTED` (`calling`).
    `cause` is the error underneath, unless the system gives one of its own. `situation` and `hint`
    are sentences with places for the names of `FACTS`, as is `shows`: by what it is told from the
    others.
    """

    key: str
    hop: str
    code: int
    cause: int
    situation: str
    shows: str
    hint: str


FACTS: Final = MappingProxyType(
    {
        "host": "HOST",
        "server": "HOST:PORT",
        "login": "USER@HOST:PORT",
        "endpoint": "ENDPOINT",
        "port": "PORT",
        "file": "FILE",
        "other": "",
    }
)
"""The names that a row's sentences may have, and what stands for them in the documentation."""

_MATRIX: Final = (
    Row(
        "unresolvable",
        "resolve",
        ENETDOWN,
        HOST_NOT_FOUND,
        "the ssh host's name {host} does not resolve",
        "the error of the name service",
        "correct the name in the bind path, or put it into the hosts file",
    ),
    Row(
        "refused",
        "connect",
        ENETDOWN,
        ECONNREFUSED,
        "nothing listens at {server}",
        "the TCP connection is refused",
        "start sshd there, or correct host and port in the bind path",
    ),
    Row(
        "unreachable",
        "connect",
        ENETDOWN,
        ETIMEDOUT,
        "no connection to {server}",
        "the TCP connection fails or does not come within 10 s",
        "check the address, the route and the firewalls between here and {host}",
    ),
    Row(
        "closed-early",
        "greeting",
        ENETDOWN,
        ECONNRESET,
        "{server} closes the connection before it greets",
        "end of stream or reset before a version line",
        "look into sshd's log on {host}: MaxStartups, a ban by address, or another program there",
    ),
    Row(
        "silent",
        "greeting",
        ENETDOWN,
        ETIMEDOUT,
        "{server} accepts the connection and says nothing",
        "no byte within 15 s",
        "check that an SSH server listens on that port, and no TLS or HTTP one",
    ),
    Row(
        "not-ssh",
        "greeting",
        ENETDOWN,
        ETIMEDOUT,
        "{server} answers, but is no SSH server",
        "other bytes than a line that begins with SSH-",
        "give the port of an SSH server, 22 as a rule",
    ),
    Row(
        "no-common-algorithm",
        "greeting",
        ENETDOWN,
        EPROTONOSUPPORT,
        "{server} speaks no version or algorithm of SSH that bindpost does",
        "`KeyExchangeFailed`, `ProtocolNotSupported`",
        "update the SSH server on {host}",
    ),
    Row(
        "known-hosts",
        "auth",
        ENETDOWN,
        EINVAL,
        "the known_hosts file {file} can't be used",
        "the error of reading it",
        "mend the file, or name another as known_hosts in the [path.*] table",
    ),
    Row(
        "credentials",
        "auth",
        ENETDOWN,
        EINVAL,
        "the credentials for {login} can't be used",
        "the error of reading the key or password file",
        "name a readable private key without a passphrase, or leave the key out and use the agent",
    ),
    Row(
        "host-key-unknown",
        "auth",
        ENETDOWN,
        EACCES,
        "the host key of {server} is not known here",
        "`HostKeyNotVerifiable`, and known_hosts has no key for that host",
        "compare the fingerprint with `ssh-keygen -lf` of the key on {host}, then add the line "
        "that `ssh-keyscan` prints to {file}",
    ),
    Row(
        "host-key-changed",
        "auth",
        ENETDOWN,
        EACCES,
        "the host key of {server} is another than the one in known_hosts",
        "`HostKeyNotVerifiable`, and known_hosts has another key for that host",
        "ask who runs {host}: if the key was changed on purpose, replace its line in {file}; if "
        "not, somebody is in between",
    ),
    Row(
        "host-key-revoked",
        "auth",
        ENETDOWN,
        EACCES,
        "the host key of {server} is marked @revoked in known_hosts",
        "`HostKeyNotVerifiable`, and known_hosts revokes that key",
        "give {host} another key",
    ),
    Row(
        "denied",
        "auth",
        ENETDOWN,
        EACCES,
        "{server} refuses the login of {login}",
        "`PermissionDenied`: wrong key, no such user, no method left",
        "put the public key into authorized_keys of that user on {host}, and look into sshd's log: "
        "AllowUsers, a locked account, the rights of the file",
    ),
    Row(
        "login-slow",
        "auth",
        ENETDOWN,
        ETIMEDOUT,
        "{server} does not finish the login",
        "no answer within 15 s after the version line",
        "look at the load and the log of sshd on {host} (slow DNS: UseDNS no)",
    ),
    Row(
        "lost-in-login",
        "auth",
        ENETDOWN,
        ECONNRESET,
        "{server} ends the connection during the login",
        "`ConnectionLost` or a disconnect message after the version line",
        "look into sshd's log on {host}",
    ),
    Row(
        "not-tcp",
        "request",
        ENETDOWN,
        EAFNOSUPPORT,
        "an ssh path binds TCP ports, and {endpoint} is none",
        "the endpoint",
        "listen on HOST:PORT, or bind this listener with direct:",
    ),
    Row(
        "forwarding-disabled",
        "request",
        ENETDOWN,
        EACCES,
        "sshd on {host} forwards no ports for {login}",
        "`ChannelListenError` after the debug message `Server has disabled port forwarding.`",
        "set `AllowTcpForwarding remote` (or yes) in its sshd_config, not DisableForwarding; the "
        "key's line in authorized_keys must not say restrict or no-port-forwarding",
    ),
    Row(
        "permit-listen",
        "request",
        ENETDOWN,
        EACCES,
        "sshd on {host} does not permit {login} to listen on {endpoint}",
        "`ChannelListenError` after the debug message `port forwarding refused`",
        "add the endpoint to PermitListen in its sshd_config (port 0 needs `PermitListen any`), or "
        "to permitlisten= in authorized_keys",
    ),
    Row(
        "refused-unexplained",
        "request",
        ENETDOWN,
        EACCES,
        "the SSH server on {host} refuses to listen on {endpoint}",
        "`ChannelListenError` from a server that is no OpenSSH, or after another debug message",
        "look into its log: forwarding not allowed, or the port taken",
    ),
    Row(
        "no-answer",
        "request",
        ENETDOWN,
        ETIMEDOUT,
        "the SSH server on {host} does not answer the request to listen",
        "no answer within 15 s",
        "look into its log",
    ),
    Row(
        "lost-in-request",
        "request",
        ENETDOWN,
        ECONNRESET,
        "{server} ends the connection at the request to listen",
        "`ConnectionLost` while the request is under way",
        "look into sshd's log on {host}",
    ),
    Row(
        "in-use",
        "bind",
        EADDRINUSE,
        EADDRINUSE,
        "port {port} is already in use on {host}",
        "`ChannelListenError` from OpenSSH without a debug message",
        "stop what holds the port there (`ss -ltnp` as root names it), be it an older login of "
        "bindpost{other}",
    ),
    Row(
        "in-use-or-privileged",
        "bind",
        EADDRINUSE,
        EADDRINUSE,
        "port {port} is in use on {host}, or {login} may not bind it",
        "the same, with a port below 1024",
        "use a port above 1023, or log in as root, or lower net.ipv4.ip_unprivileged_port_start "
        "there; or stop what holds the port",
    ),
    Row(
        "not-local",
        "bind",
        ENETDOWN,
        EADDRNOTAVAIL,
        "{endpoint} is no address of {host}",
        "the same, with port 0, which is never in use",
        "listen on an address that {host} has, or on 127.0.0.1 or 0.0.0.0",
    ),
    Row(
        "lost",
        "accept",
        ENETDOWN,
        ECONNRESET,
        "the connection to {server} is lost, and the port there with it",
        "`connection_lost`, at once or after 60 s (four times `keepalive`) without an answer",
        "it is bound again by itself; if not, look into sshd's log on {host}",
    ),
)

_SELF_TEST: Final = (
    Row(
        "loopback-only",
        "reach",
        NOTHING,
        ECONNREFUSED,
        "{host} listens on its loopback addresses only, not on {endpoint}",
        "{host} can't connect to {endpoint}, and to 127.0.0.1 it can",
        "set `GatewayPorts clientspecified` in sshd_config on {host}, or see which firewall there "
        "closes the port; where a NAT stands before it, connect from outside to see",
    ),
    Row(
        "unreached",
        "reach",
        NOTHING,
        ECONNREFUSED,
        "{host} can't connect to {endpoint}, which it has bound",
        "{host} can't connect there, nor to its loopback addresses",
        "look into sshd's log on {host}, and what listens there (`ss -ltn`)",
    ),
    Row(
        "ipv6-only",
        "reach",
        UNTESTED,
        EAFNOSUPPORT,
        "{host} listens on IPv6, and its IPv6 address is not known here",
        "{host} can't connect to {endpoint}, and to ::1 it can",
        "connect from outside to see whether a banner comes",
    ),
    Row(
        "no-connect",
        "reach",
        UNTESTED,
        EACCES,
        "sshd on {host} makes no connection for {login}",
        "`ChannelOpenError`, administratively prohibited",
        "set `AllowTcpForwarding yes` for the test (with `remote` a port is bound and can't be "
        "looked at), or connect from outside to see whether a banner comes",
    ),
    Row(
        "no-second-login",
        "reach",
        UNTESTED,
        ECONNRESET,
        "{server} lets nobody look at the port by a second login",
        "the second login, or a connection by it, fails",
        "look into sshd's log on {host}, or connect from outside to see whether a banner comes",
    ),
    Row(
        "never-opened",
        "accept",
        NOTHING,
        ETIMEDOUT,
        "{host} takes a connection at {endpoint}, and no session begins",
        "nothing comes within 5 s of a connection",
        "see with `ss -ltnp`, as root on {host}, whether another program listens there too, and "
        "look into sshd's log",
    ),
)
"""What only the self-test finds: nobody can come in, or it can't be told."""

ROWS: Final = MappingProxyType({row.key: row for row in _MATRIX})
"""All rows of a bind by their key, in the order of the hops."""
REACH_ROWS: Final = MappingProxyType({row.key: row for row in _SELF_TEST})
"""All rows of a self-test by their key."""
