"""What can go wrong with a bind on this machine, `direct:` or `inherit:`, and what to do."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from bindpost.config.endpoint import Endpoint

from . import wsa

EBADF: Final = 10009
ENOTSOCK: Final = 10038
EOPNOTSUPP: Final = 10045


class Row(NamedTuple):
    """
    One kind of failure.

    `hop` is the step that fails, or several. `codes` are the Winsock errors that event 4007
    carries, the likeliest first. `reason` is what stands beside them: of `direct:` the system's own
    words, here Linux's, of `inherit:` a sentence of ours. Both it and `hint` have places for the
    names of `FACTS`. `note` tells apart what looks the same.
    """

    key: str
    hop: str
    codes: tuple[int, ...]
    reason: str
    hint: str
    note: str = ""


FACTS: Final = MappingProxyType(
    {
        "holder": "PROGRAM (pid PID) listens there",
        "own": "ADDRESSES",
        "what": "a file or a living socket",
        "folder": "FOLDER",
        "longest": "107 (on Linux)",
        "socket": "NAME (descriptor N)",
        "wanted": 'no socket named "NAME"',
        "there": "OTHER",
        "pid": "OTHER",
        "own_pid": "PID",
        "count": "TEXT",
        "error": "the system's words",
    }
)
"""The names that a row's sentences may have, and what stands for them in the documentation."""

_START: Final = (
    "start it by a systemd socket unit (docs/systemd.md), or try "
    "`systemd-socket-activate -l 127.0.0.1:1025 bindpost serve --via inherit:`"
)

_TCP: Final = (
    Row(
        "unresolvable",
        "resolve",
        (wsa.HOST_NOT_FOUND, 11002, 11003, 11004),
        "Name or service not known",
        "name an address of this machine, or put the name into its hosts file",
    ),
    Row(
        "in-use",
        "bind",
        (wsa.EADDRINUSE,),
        "Address already in use",
        "{holder}: stop it, or choose another port",
    ),
    Row(
        "privileged",
        "bind",
        (wsa.EACCES,),
        "Permission denied",
        "use a port above 1023, or give the program the right CAP_NET_BIND_SERVICE",
        note="a port below 1024",
    ),
    Row(
        "forbidden",
        "bind",
        (wsa.EACCES,),
        "Permission denied",
        "a security policy of this machine forbids it; choose another port",
        note="another port",
    ),
    Row(
        "not-local",
        "bind",
        (wsa.EADDRNOTAVAIL,),
        "Cannot assign requested address",
        "choose an address of this machine ({own}), or 0.0.0.0 or [::] for all",
    ),
    Row(
        "no-family",
        "bind",
        (wsa.EAFNOSUPPORT,),
        "Address family not supported by protocol",
        "this machine has no addresses of that kind; choose an IPv4 address",
    ),
    Row(
        "other",
        "resolve, bind",
        (wsa.UNKNOWN,),
        "",
        "run `bindpost check` for the state of this machine",
        note="anything else, with its own code if it has one",
    ),
)
_UNIX: Final = (
    Row(
        "unix-in-use",
        "bind",
        (wsa.EADDRINUSE,),
        "Address already in use",
        "{what} is there: remove it, or choose another path",
        note="a Unix socket",
    ),
    Row(
        "unix-forbidden",
        "bind",
        (wsa.EACCES,),
        "Permission denied",
        "let this user write to the folder {folder}, or choose another path",
        note="a Unix socket",
    ),
    Row(
        "unix-no-folder",
        "bind",
        (wsa.EADDRNOTAVAIL,),
        "No such file or directory",
        "make the folder {folder}, or choose another path",
        note="a Unix socket",
    ),
    Row(
        "unix-too-long",
        "bind",
        (wsa.ENAMETOOLONG,),
        "File name too long",
        "choose a path of at most {longest} bytes",
        note="a Unix socket",
    ),
    Row(
        "unix-other",
        "bind",
        (wsa.EINVAL,),
        "",
        "choose another path",
        note="anything else of a Unix socket, with its own code if it has one",
    ),
)
_INHERITED: Final = (
    Row(
        "nothing-handed",
        "bind",
        (wsa.EINVAL,),
        "no socket was handed over (LISTEN_FDS is not set)",
        _START,
    ),
    Row(
        "another-process",
        "bind",
        (wsa.EINVAL,),
        "the sockets are for process {pid}, and this is process {own_pid}",
        "a script between systemd and bindpost must start it by `exec`",
    ),
    Row(
        "no-number", "bind", (wsa.EINVAL,), 'LISTEN_FDS is "{count}", no number of sockets', _START
    ),
    Row(
        "no-such-name",
        "bind",
        (wsa.EINVAL,),
        "{wanted} was handed over, only {there}",
        "FileDescriptorName= in the socket unit gives a socket its name",
    ),
    Row(
        "twice",
        "bind",
        (wsa.EADDRINUSE,),
        "a listener has {socket} already",
        "give each listener sockets of its own, by inherit:NAME",
    ),
    Row(
        "unusable",
        "bind",
        (wsa.EINVAL, EBADF, ENOTSOCK, EOPNOTSUPP, wsa.EAFNOSUPPORT),
        "{socket}: {error}",
        "a socket unit for it has ListenStream= and Accept=no",
    ),
)

DIRECT: Final = MappingProxyType({row.key: row for row in (*_TCP, *_UNIX)})
"""What a bind of `direct:` meets, by key."""
INHERITED: Final = MappingProxyType({row.key: row for row in _INHERITED})
"""What is wrong with sockets that were handed over, by key."""


def direct_row(code: int, endpoint: Endpoint) -> Row:
    """Give the row of a bind on this machine that failed with a Winsock code."""
    rows = _UNIX if endpoint.is_unix else _TCP
    fitting = (row for row in rows if code in row.codes)
    row = next(fitting, rows[-1])
    return DIRECT["forbidden"] if row.key == "privileged" and endpoint.port >= 1024 else row
