"""
What can be wrong with a SOCKS bind, as one table: how it shows, what event 4007 says, what to do.

The classifier (`row_for`), the tests and docs/socks.md all read this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .. import wsa
from .symptom import Service, Sign, Symptom

LOCAL: Final = 0
"""In place of an event's code: the fault is this machine's, and so is the code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    One situation.

    `version`, `hops`, `signs`, `codes` and `named` say which symptoms it has; None or empty fits
    all, but a row without `signs` fits none: it is no failure of a bind, and `outcome` says what it
    is. `winsock` is the underlying error, unless the operating system gave one of its own. `event`
    is the code that event 4007 carries. `detail` names what `explain` knows of the symptom. `slow`
    says that trying again soon is no use. `taken` says that it may only mean that the port is held
    by a connection that this listener has, or had a moment ago.
    """

    key: str
    situation: str
    version: int | None = None
    hops: tuple[str, ...] = ()
    signs: tuple[Sign, ...] = ()
    codes: tuple[int, ...] = ()
    named: Service | None = None
    winsock: int = 0
    event: int = wsa.ENETDOWN
    detail: str = ""
    hint: str = ""
    outcome: str = ""
    slow: bool = False
    taken: bool = False

    def fits(self, symptom: Symptom) -> bool:
        """Say whether a symptom is one of this row's."""
        return (
            symptom.sign in self.signs
            and (not self.hops or symptom.hop in self.hops)
            and (self.version is None or symptom.version == self.version)
            and (not self.codes or symptom.code in self.codes)
            and (self.named is None or symptom.named is self.named)
        )


_UNANSWERED: Final = (Sign.TIMEOUT, Sign.CLOSED, Sign.RESET, Sign.INVALID)
_ENDED: Final = (Sign.CLOSED, Sign.RESET)
_FIRST: Final = ("greeting", "request")
_NO_BIND: Final = (
    "take a proxy that has BIND, such as Dante, or bind through an SSH server (ssh://)"
)
_NOT_SOCKS: Final = "give the address and port of a SOCKS proxy"
_V4_SILENT: Final = (
    "look into the proxy's rules and log; SOCKS4 doesn't say why: the rules forbid the bind or the "
    "port, the port is in use, or a password is wanted, for which socks5:// is needed"
)
_TAKEN_LATER: Final = (
    "; after a session that this side had to end, the proxy's system may hold it for 60 s"
)

MATRIX: Final = (
    # The way to the proxy
    Row(
        key="unresolvable",
        situation="The proxy's name does not resolve",
        hops=("resolve",),
        signs=(Sign.UNRESOLVED,),
        winsock=wsa.HOST_NOT_FOUND,
        detail="the name of the proxy {target} does not resolve",
        hint="check the proxy's name and this machine's DNS, or give the proxy's address",
    ),
    Row(
        key="ipv6-literal",
        situation="The proxy's address is IPv6",
        outcome="works: each address is dialled with its own family",
    ),
    Row(
        key="refused",
        situation="Nothing listens on the proxy's port",
        hops=("connect",),
        signs=(Sign.OS_ERROR,),
        codes=(wsa.ECONNREFUSED,),
        winsock=wsa.ECONNREFUSED,
        detail="nothing listens on {target}",
        hint="start the proxy there, or correct the port",
    ),
    Row(
        key="dropped",
        situation="Packets to the proxy are dropped",
        hops=("connect",),
        signs=(Sign.TIMEOUT,),
        winsock=wsa.ETIMEDOUT,
        detail="{target} does not answer",
        hint="check the proxy's address, whether that machine is up, and the firewalls between",
    ),
    Row(
        key="unreachable",
        situation="No route to the proxy (ICMP host or network unreachable)",
        hops=("connect",),
        signs=(Sign.OS_ERROR,),
        codes=(10065, 10051, 10064),
        winsock=10065,
        detail="there is no route to {target}",
        hint="check the proxy's address and this machine's routes",
    ),
    Row(
        key="reset-at-once",
        situation="The connection is reset as soon as it is made",
        hops=("connect",),
        signs=_ENDED,
        winsock=10054,
        detail="{target} resets the connection",
        hint="see that the proxy lets this client in, and that it is the proxy's port",
    ),
    Row(
        key="out-of-resources",
        situation="This machine has no descriptors or memory left",
        signs=(Sign.OS_ERROR,),
        codes=(10024, 10055),
        winsock=10024,
        event=LOCAL,
        detail="this machine can open no socket: {text}",
        hint="raise the limit of open files (ulimit -n), or see what holds them",
    ),
    # What listens there
    Row(
        key="http",
        situation="An HTTP proxy or web server (tinyproxy, squid)",
        hops=_FIRST,
        signs=_UNANSWERED,
        named=Service.HTTP,
        winsock=10043,
        detail="{target} speaks HTTP, not SOCKS",
        hint="that is an HTTP proxy or a web server: HTTP can't bind; " + _NOT_SOCKS,
    ),
    Row(
        key="tls",
        situation="A port that speaks TLS",
        hops=_FIRST,
        signs=_UNANSWERED,
        named=Service.TLS,
        winsock=10043,
        detail="{target} speaks TLS, not SOCKS",
        hint="SOCKS here is without TLS: give the proxy's plain port",
    ),
    Row(
        key="ssh",
        situation="An SSH server",
        hops=_FIRST,
        signs=_UNANSWERED,
        named=Service.SSH,
        winsock=10043,
        detail="{target} is an SSH server: {heard}",
        hint="give the port of a SOCKS proxy, or bind through that server itself (ssh://)",
    ),
    Row(
        key="smtp",
        situation="An SMTP server",
        hops=_FIRST,
        signs=_UNANSWERED,
        named=Service.SMTP,
        winsock=10043,
        detail="{target} is an SMTP server: {heard}",
        hint="host and port in the URL are the proxy's, not the mail server's; " + _NOT_SOCKS,
    ),
    Row(
        key="ftp",
        situation="An FTP server",
        hops=_FIRST,
        signs=_UNANSWERED,
        named=Service.FTP,
        winsock=10043,
        detail="{target} is an FTP server: {heard}",
        hint=_NOT_SOCKS,
    ),
    Row(
        key="v4-only",
        situation="The server speaks SOCKS4 only",
        version=5,
        hops=_FIRST,
        signs=_UNANSWERED,
        named=Service.SOCKS4,
        winsock=10043,
        detail="{target} speaks SOCKS4, not SOCKS5",
        hint="write socks4:// (SOCKS4 has no passwords)",
    ),
    Row(
        key="v5-only",
        situation="The server speaks SOCKS5 only, or has no BIND over SOCKS4 (microsocks, ssh -D)",
        version=4,
        hops=_FIRST,
        signs=_UNANSWERED,
        named=Service.SOCKS5,
        winsock=10043,
        detail="{target} speaks SOCKS5, and over SOCKS4 it does not answer a BIND",
        hint="write socks5://; if that does not bind either, " + _NO_BIND,
    ),
    Row(
        key="invalid",
        situation="Answers, but not with SOCKS",
        hops=("greeting", "auth", "request"),
        signs=(Sign.INVALID,),
        winsock=10043,
        detail="{target} answers, but not with SOCKS{version}: {heard}",
        hint=_NOT_SOCKS,
    ),
    # Greeting and login
    Row(
        key="stalled",
        situation="Answers the greeting, then nothing more",
        version=5,
        hops=("auth", "request"),
        signs=(Sign.TIMEOUT,),
        winsock=wsa.ETIMEDOUT,
        detail="{target} answered the SOCKS5 greeting and then nothing more",
        hint="look into the proxy's log; it may be overloaded or wait for a service of its own",
    ),
    Row(
        key="silent",
        situation="Accepts connections, never answers",
        hops=_FIRST,
        signs=(Sign.TIMEOUT,),
        winsock=wsa.ETIMEDOUT,
        detail="{target} accepts connections, but does not answer SOCKS{version}",
        hint="that is another service, or the proxy is overloaded; " + _NOT_SOCKS,
    ),
    Row(
        key="closed-greeting",
        situation="Closed or reset in the greeting (`client block` in Dante)",
        version=5,
        hops=("greeting",),
        signs=_ENDED,
        winsock=10054,
        detail="{target} closed the connection in the SOCKS5 greeting",
        hint="that is no SOCKS5 server, or it does not let this client in (in Dante: client pass)",
    ),
    Row(
        key="closed-login",
        situation="Closed or reset at the login",
        version=5,
        hops=("auth",),
        signs=_ENDED,
        winsock=wsa.EACCES,
        detail="{target} closed the connection at the login",
        hint="check user name and password; the proxy's log tells more",
        slow=True,
    ),
    Row(
        key="login-wanted",
        situation="A login is required, none was given",
        version=5,
        hops=("auth",),
        signs=(Sign.LOGIN_WANTED,),
        winsock=wsa.EACCES,
        detail="{target} wants a login (method 0xFF)",
        hint="the proxy wants a user name and a password: socks5://USER:PASSWORD@HOST:PORT",
        slow=True,
    ),
    Row(
        key="no-method",
        situation="A login was given, the proxy takes no login of this kind",
        version=5,
        hops=("auth",),
        signs=(Sign.NO_METHOD,),
        winsock=wsa.EACCES,
        detail="{target} accepts neither user name and password nor no login (method 0xFF)",
        hint="let the proxy accept user name and password (in Dante: socksmethod: username); "
        "GSSAPI is not spoken here",
        slow=True,
    ),
    Row(
        key="login-refused",
        situation="The login is wrong",
        version=5,
        hops=("auth",),
        signs=(Sign.LOGIN_REFUSED,),
        winsock=wsa.EACCES,
        detail="{target} refused the login (status {code})",
        hint="check user name and password; the proxy rejected them",
        slow=True,
    ),
    Row(
        key="half-login",
        situation="A user name without a password, or a password for SOCKS4",
        outcome="a configuration error before anything is sent: exit status 78",
    ),
    # The request and reply #1
    Row(
        key="closed-request",
        situation="Closed at the request after an accepted greeting (`ssh -D`)",
        version=5,
        hops=("request",),
        signs=_ENDED,
        winsock=10045,
        detail="{target} accepted the greeting and closed the connection on BIND",
        hint="it probably has no BIND (ssh -D has none); " + _NO_BIND,
        slow=True,
    ),
    Row(
        key="closed-v4",
        situation="SOCKS4: closed or reset at the request",
        version=4,
        hops=("request",),
        signs=_ENDED,
        winsock=10045,
        detail="{target} closed the connection on a SOCKS4 BIND",
        hint="it has no SOCKS4, or no BIND, or does not let this client in; try socks5://",
        slow=True,
    ),
    Row(
        key="rules",
        situation="The rules forbid BIND, the port or the version; in Dante with a port range in "
        "its rule also: the port is in use",
        version=5,
        hops=("bind",),
        signs=(Sign.REPLY,),
        codes=(0x02,),
        winsock=wsa.EACCES,
        detail="{target} refused to bind port {wanted}: reply {code}, {text}",
        hint="let the proxy's rules allow BIND on this port (in Dante: socks pass with command: "
        "bind); or the port is in use there",
        slow=True,
        taken=True,
    ),
    Row(
        key="refused-v4",
        situation="SOCKS4: refused by the rules, for want of a password, or the port is in use; "
        "no BIND (Tor)",
        version=4,
        hops=("bind",),
        signs=(Sign.REPLY,),
        codes=(0x5B,),
        winsock=wsa.EACCES,
        detail="{target} refused to bind port {wanted}: reply {code}, {text}",
        hint=_V4_SILENT,
        slow=True,
        taken=True,
    ),
    Row(
        key="identd-v4",
        situation="SOCKS4: the proxy asked an ident server here",
        version=4,
        hops=("bind",),
        signs=(Sign.REPLY,),
        codes=(0x5C, 0x5D),
        winsock=wsa.EACCES,
        detail="{target} refused to bind port {wanted}: reply {code}, {text}",
        hint="give the user id that identd tells on this machine, or let the proxy not ask for it",
        slow=True,
    ),
    Row(
        key="no-bind",
        situation="The proxy has no BIND (microsocks, Tor)",
        version=5,
        hops=("bind",),
        signs=(Sign.REPLY,),
        codes=(0x07,),
        winsock=10045,
        detail="{target} has no BIND: reply {code}, {text}",
        hint=_NO_BIND,
        slow=True,
    ),
    Row(
        key="other-port",
        situation="The port is taken, or below 1024, or the proxy binds what it likes (3proxy)",
        hops=("bind",),
        signs=(Sign.OTHER_PORT,),
        winsock=wsa.EADDRINUSE,
        event=wsa.EADDRINUSE,
        detail="{target} bound port {bound} instead of {wanted}",
        hint="free the port on the proxy, or choose another above 1023" + _TAKEN_LATER,
        taken=True,
    ),
    Row(
        key="no-family",
        situation="The proxy has no address of that family (`[::]:PORT` without IPv6 outside)",
        version=5,
        hops=("bind",),
        signs=(Sign.REPLY,),
        codes=(0x08,),
        winsock=wsa.EAFNOSUPPORT,
        detail="{target} cannot bind an address of this family: reply {code}, {text}",
        hint="write 0.0.0.0:PORT for IPv4, [::]:PORT for IPv6, as the proxy's outside has it",
        slow=True,
    ),
    Row(
        key="general",
        situation="General failure",
        version=5,
        hops=("bind",),
        signs=(Sign.REPLY,),
        codes=(0x01,),
        winsock=10053,
        detail="{target} could not bind port {wanted}: reply {code}, {text}",
        hint="look into the proxy's log; the port may be in use there",
        taken=True,
    ),
    Row(
        key="network",
        situation="Network unreachable",
        version=5,
        hops=("bind",),
        signs=(Sign.REPLY,),
        codes=(0x03,),
        winsock=10051,
        detail="{target} could not bind port {wanted}: reply {code}, {text}",
        hint="look at the proxy's outside address and its log",
    ),
    Row(
        key="host",
        situation="Host unreachable",
        version=5,
        hops=("bind",),
        signs=(Sign.REPLY,),
        codes=(0x04,),
        winsock=10065,
        detail="{target} could not bind port {wanted}: reply {code}, {text}",
        hint="look at the proxy's outside address and its log",
    ),
    Row(
        key="connection",
        situation="Connection refused",
        version=5,
        hops=("bind",),
        signs=(Sign.REPLY,),
        codes=(0x05,),
        winsock=wsa.ECONNREFUSED,
        detail="{target} could not bind port {wanted}: reply {code}, {text}",
        hint="look into the proxy's log, and at a proxy behind it if there is one",
    ),
    Row(
        key="expired",
        situation="TTL expired",
        version=5,
        hops=("bind",),
        signs=(Sign.REPLY,),
        codes=(0x06,),
        winsock=wsa.ETIMEDOUT,
        detail="{target} could not bind port {wanted}: reply {code}, {text}",
        hint="look into the proxy's log, and at a proxy behind it if there is one",
    ),
    Row(
        key="unassigned",
        situation="A reply code that no document assigns",
        hops=("bind",),
        signs=(Sign.REPLY,),
        winsock=10053,
        detail="{target} could not bind port {wanted}: reply {code}, {text}",
        hint="look into the proxy's log",
    ),
    # Waiting for a client and reply #2; these come after the start
    Row(
        key="bindreply",
        situation="The proxy refuses the client that connects (no `bindreply` rule in Dante)",
        hops=("accept",),
        signs=(Sign.REPLY,),
        codes=(0x02, 0x5B),
        winsock=wsa.EACCES,
        detail="{target} refused a connection to the bound port: reply {code}, {text}",
        hint="the proxy refused the incoming connection: add a rule for it (in Dante: socks pass "
        "with command: bindreply)",
        slow=True,
    ),
    Row(
        key="accept-failed",
        situation="Another reply code in place of a client (3proxy gives up after 180 s)",
        hops=("accept",),
        signs=(Sign.REPLY,),
        winsock=10053,
        detail="{target} ended the bind: reply {code}, {text}",
        hint="look into the proxy's log; it may limit how long a bind may wait",
    ),
    Row(
        key="lost",
        situation="The proxy dies or restarts while the bind waits",
        hops=("accept",),
        signs=_ENDED,
        winsock=10054,
        detail="{target} closed the waiting bind",
        hint="the proxy was restarted, or limits how long a bind may wait; bindpost binds again",
    ),
    Row(
        key="vanished",
        situation="The proxy's host vanishes while the bind waits",
        hops=("accept",),
        signs=(Sign.TIMEOUT,),
        winsock=wsa.ETIMEDOUT,
        detail="the connection to {target} has died",
        hint="see whether the proxy's host is up and the network to it works",
    ),
    Row(
        key="accept-invalid",
        situation="What should announce a client is no SOCKS",
        hops=("accept",),
        signs=(Sign.INVALID,),
        winsock=10043,
        detail="{target} announced a connection with bytes that are no SOCKS{version}: {heard}",
        hint="the proxy is broken, or something between changes what it sends",
    ),
    Row(
        key="never-announced",
        situation="A client connects, and the proxy never says so",
        outcome="looks as if nobody had come; connect from outside to see whether a banner comes",
    ),
    Row(
        key="unknown-peer",
        situation="The proxy announces a client as 0.0.0.0:0",
        outcome="works; the peer is unknown",
    ),
    Row(
        key="in-pieces",
        situation="Replies come byte by byte, or together with the client's first bytes",
        outcome="works",
    ),
    # Whatever else
    Row(
        key="other",
        situation="Any other error of the operating system",
        signs=tuple(Sign),
        winsock=10107,
        detail="{hop} at {target}: {text}",
        hint="look at this machine's network and the proxy's log",
    ),
)


def row_for(symptom: Symptom) -> Row:
    """Give the row of a symptom: the first that fits; the last fits all."""
    return next(row for row in MATRIX if row.fits(symptom))
