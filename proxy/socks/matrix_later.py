"""The rows of the SOCKS matrix for what comes after the bind, in its waiting or in a self-test."""

from __future__ import annotations

from typing import Final

from .. import wsa
from ..calling import NOTHING, UNTESTED
from .row import Row
from .symptom import REACH, Sign

_FROM_OUTSIDE: Final = "or connect from outside to see whether a banner comes"

LATER: Final = (
    # Waiting for a client and reply #2
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
        signs=(Sign.CLOSED, Sign.RESET),
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
        hops=("accept",),
        signs=(Sign.UNANNOUNCED,),
        winsock=wsa.ETIMEDOUT,
        event=NOTHING,
        detail="a client connected to port {wanted}, and {target} never said so",
        hint="restart the proxy and look into its log: it lets clients in and announces none",
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
    # The self-test's own connection, by CONNECT through the same proxy
    Row(
        key="unreached",
        situation="The proxy itself can't connect to what it has bound (a firewall there, or "
        "nothing listens)",
        version=5,
        hops=(REACH,),
        signs=(Sign.REPLY,),
        codes=(0x03, 0x04, 0x05, 0x06),
        winsock=wsa.ECONNREFUSED,
        event=NOTHING,
        detail="{target} can't connect to port {wanted}, which it has bound: reply {code}, {text}",
        hint="see which firewall on the proxy closes the port; where a NAT stands before the "
        "proxy, " + _FROM_OUTSIDE.removeprefix("or "),
    ),
    Row(
        key="unreached-silent",
        situation="The proxy's connection to what it has bound gets no answer (a firewall there)",
        hops=(REACH,),
        signs=(Sign.TIMEOUT,),
        winsock=wsa.ETIMEDOUT,
        event=NOTHING,
        detail="{target} gets no connection to port {wanted}, which it has bound",
        hint="see which firewall on the proxy drops packets to the port; where a NAT stands before "
        "the proxy, " + _FROM_OUTSIDE.removeprefix("or "),
    ),
    Row(
        key="no-connect",
        situation="The proxy makes no connection for the self-test (no rule for CONNECT), or "
        "doesn't say what came of it",
        hops=(REACH,),
        signs=(Sign.REPLY,),
        winsock=wsa.EACCES,
        event=UNTESTED,
        detail="{target} makes no connection to port {wanted} for a test: reply {code}, {text}",
        hint="let its rules allow CONNECT to that port (in Dante: socks pass with command: "
        "connect), " + _FROM_OUTSIDE,
    ),
    Row(
        key="no-connect-unsaid",
        situation="The proxy answers the self-test's CONNECT with no reply",
        hops=(REACH,),
        signs=(Sign.CLOSED, Sign.RESET, Sign.INVALID),
        winsock=10054,
        event=UNTESTED,
        detail="{target} makes no connection to port {wanted} for a test",
        hint="look into the proxy's log, " + _FROM_OUTSIDE,
    ),
)
