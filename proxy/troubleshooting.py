"""
Every misconfiguration as the log tells it, for docs/troubleshooting.md: what it is, what to do.

`python -m bindpost.proxy.troubleshooting docs/troubleshooting.md` puts it between the file's two
markers. The sentences come from where those of the log come from.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Final, NamedTuple

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.events import PROXY_HEADER_UNEXPECTED
from bindpost.pages import Part, table

from . import matrix as local_matrix
from . import wsa
from .haproxy import matrix as haproxy_matrix
from .socks import matrix as socks_matrix
from .socks.explain import explain
from .socks.symptom import HOPS, Sign, Symptom
from .ssh import matrix as ssh_matrix
from .winsock.failures import Failures

_PROXY: Final = "PROXY:PORT"
_ENDPOINT: Final = Endpoint("0.0.0.0", 2525)  # noqa: S104 - an example, not bound


class Line(NamedTuple):
    """
    A line of the table: a row of a path's matrix, by its key, as the log tells it.

    `hop` and `reason` are the fields of the record, `code` the number in event 4007 or what is
    logged in its place, `hint` what to do.
    """

    key: str
    hop: str
    reason: str
    code: str
    hint: str


class Path(NamedTuple):
    """The lines of a bind path, by what its `via` begins with, and a sentence about them."""

    name: str
    about: str
    lines: tuple[Line, ...]


def paths() -> tuple[Path, ...]:
    """Give all paths, those without a proxy first."""
    return (
        Path(
            "direct:",
            "The fault is this machine's, and so is the number.",
            _local(local_matrix.DIRECT.values()),
        ),
        Path(
            "inherit:",
            "[systemd.md](systemd.md) has units that work.",
            _local(local_matrix.INHERITED.values()),
        ),
        Path(
            "socks5:// socks4:// socks4a://",
            "The hop `accept` comes after the start. [socks.md](socks.md) has the same rows with "
            "what tells one from another, those that are no failures, and a danted.conf.",
            tuple(map(_socks, (row for row in socks_matrix.MATRIX if row.is_logged))),
        ),
        Path(
            "ssh://",
            "The hop `accept` comes after the start. [ssh.md](ssh.md) has the same rows with what "
            "tells one from another, and a sshd_config that works.",
            tuple(map(_ssh, ssh_matrix.ROWS.values())),
        ),
        Path(
            "winsock://",
            "The hop `accept` may come after the start. [winsock-proxy.md](winsock-proxy.md) says "
            "what each rests on.",
            _winsock(),
        ),
        Path(
            "proxy_protocol",
            "On top of any path. No bind fails of it: a connection is closed with a warning, whose "
            "field `received` shows what came. [haproxy.md](haproxy.md) says what the client sees.",
            _haproxy(),
        ),
    )


def sections() -> str:
    """Give a heading and a table for each path."""
    return "\n\n".join(_section(path) for path in paths())


def _section(path: Path) -> str:
    title = ", ".join(f"`{scheme}`" for scheme in path.name.split())
    rows = (map(_escaped, (one.hop, one.reason, one.code, one.hint)) for one in path.lines)
    lines = table(("hop", "reason", "4007", "what to do"), rows)
    return f"### {title}\n\n{path.about}\n\n{lines}"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def _local(rows: Iterable[local_matrix.Row]) -> tuple[Line, ...]:
    return tuple(
        Line(
            row.key,
            row.hop,
            f"{row.reason} *({row.note})*".lstrip() if row.note else row.reason,
            _either([str(code) for code in row.codes]),
            row.hint,
        )
        for row in map(_filled, rows)
    )


def _filled(row: local_matrix.Row) -> local_matrix.Row:
    """Give a row whose sentences name what stands for the facts."""
    facts = local_matrix.FACTS
    return row._replace(reason=row.reason.format(**facts), hint=row.hint.format(**facts))


def _socks(row: socks_matrix.Row) -> Line:
    error = explain(_symptom(row), _ENDPOINT, "")
    return Line(row.key, ", ".join(row.hops) or "any", error.detail, str(error.code), error.hint)


def _symptom(row: socks_matrix.Row) -> Symptom:
    """Give the first symptom that is explained by a row."""
    answers = {Sign.REPLY, Sign.LOGIN_REFUSED} & set(row.signs)
    some_codes = (0x01, 0x09) if answers and row.hops else (None,)
    seen = (
        Symptom(
            version=version,
            hop=hop,
            sign=sign,
            target=_PROXY,
            code=code,
            text="the system's words",
            heard=b"...",
            named=row.named,
            wanted=_ENDPOINT.port,
            bound=40001,
        )
        for version, hop, sign, code in product(
            (row.version,) if row.version else (5, 4),
            row.hops or HOPS,
            row.signs,
            row.codes or some_codes,
        )
    )
    return next(symptom for symptom in seen if socks_matrix.row_for(symptom) is row)


def _ssh(row: ssh_matrix.Row) -> Line:
    reason = row.situation.format(**ssh_matrix.FACTS)
    return Line(
        row.key,
        row.hop,
        f"{reason} ({wsa.name_of(row.cause)}, {row.cause})",
        str(row.code),
        row.hint.format(**ssh_matrix.FACTS),
    )


def _winsock() -> tuple[Line, ...]:
    """Give the errors of a Winsock Proxy path, each by the method that makes it."""
    make = Failures(endpoint=str(_ENDPOINT), path="")
    in_use = OSError(errno.EADDRINUSE, "the system's words")
    unreachable = OSError(errno.EINVAL, "the system's words")
    errors: tuple[tuple[str, str, BindError], ...] = (
        ("no_server", "", make.no_server(ipx_only=False)),
        ("unresolvable", "", make.unresolvable("PROXY", "the name service's words")),
        ("unreachable", "", make.unreachable(_PROXY, "the system's words")),
        ("no_way_back", "", make.no_way_back(_PROXY, "ADDRESS", unreachable)),
        ("silent", "greeting, auth, bind, accept", make.silent(_PROXY, "greeting", "")),
        ("junk", "", make.junk(_PROXY, "what is wrong with it")),
        ("refused", "greeting, bind, accept", make.refused(_PROXY, "bind", 0x0804)),
        ("no_login", "", make.no_login(_PROXY, "it refused with 0x0801, or its words")),
        ("in_use", "bind, accept", make.in_use(_PROXY, _ENDPOINT.port)),
        ("wrong_port", "", make.wrong_port(_PROXY, _ENDPOINT.port, 40001)),
        ("wrong_address", "", make.wrong_address(_PROXY, "ADDRESS", "ANOTHER")),
        ("local", "resolve, bind", make.local(in_use, "see the rows of `direct:`")),
        ("lost", "", make.lost(_PROXY)),
        ("moved", "", make.moved(_PROXY, "ADDRESS", "ANOTHER")),
    )
    return tuple(
        Line(
            key,
            hops or error.hop,
            error.detail,
            "the system's own" if key == "local" else str(error.code),
            error.hint,
        )
        for key, hops, error in errors
    )


def _haproxy() -> tuple[Line, ...]:
    closed = tuple(
        Line(
            row.key,
            "header",
            f"{row.reason.format(**haproxy_matrix.FACTS)} *(received: {row.received})*",
            "none, a warning",
            row.hint,
        )
        for row in haproxy_matrix.ROWS.values()
    )
    event = PROXY_HEADER_UNEXPECTED
    unexpected = Line(
        "unexpected",
        "",
        event.template.replace("%1", "v1 or v2"),
        f"none, event {event.id}",
        event.remedy,
    )
    return (*closed, unexpected)


def _either(words: Sequence[str]) -> str:
    """Join alternatives: `1`, `1 or 2`, `1, 2 or 3`."""
    *before, last = words
    return f"{', '.join(before)} or {last}" if before else last


PART: Final = Part(
    page="docs/troubleshooting.md",
    begin=(
        "<!-- rows: made by `python -m bindpost.proxy.troubleshooting docs/troubleshooting.md` -->"
    ),
    end="<!-- end of rows -->",
    make=sections,
)

if __name__ == "__main__":
    PART.main(sys.argv[1:])
