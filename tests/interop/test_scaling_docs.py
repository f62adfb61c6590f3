"""docs/scaling.md: its settings and its haproxy.cfg, given to three nodes and to HAProxy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

from bindpost.proxy.local import free_port
from bindpost.testing import PATIENCE
from bindpost.testing.programs import run, running

from .doc_blocks import block

if TYPE_CHECKING:
    from tests.interop.conftest import Node

HAPROXY = "127.0.0.1"
NODES = {"192.0.2.21": "127.0.0.2", "192.0.2.22": "127.0.0.3", "192.0.2.23": "127.0.0.4"}
"""Where the page has the nodes, and where they are here."""


def test_three_nodes_as_the_page_has_them(
    node: Node, url: str, program: Callable[[str], Path], tmp_path: Path
) -> None:
    """Mail and pages go through HAProxy, each message has its sender's address."""
    haproxy, source = program("haproxy"), program("smtp-source")
    smtp_port, web_port = free_port(), free_port()
    changes = {"192.0.2.10:25": f"{HAPROXY}:{smtp_port}", "192.0.2.10:80": f"{HAPROXY}:{web_port}"}
    nodes = []
    for theirs, ours in NODES.items():
        settings = tmp_path / f"{ours}.toml"
        settings.write_text(
            block(
                "scaling.md",
                "toml",
                {
                    "postgresql://bindpost@db.example/mail": url,
                    "0.0.0.0": ours,
                    ":2525": ":0",
                    "192.0.2.10": HAPROXY,
                },
            )
        )
        web = f"{ours}:{free_port()}"
        nodes.append(node("--config", str(settings), "--web", web, listen=""))
        changes[f"{theirs}:2525"] = "{}:{}".format(*nodes[-1].smtp)
        changes[f"{theirs}:8025"] = web
    file = tmp_path / "haproxy.cfg"
    file.write_text(block("scaling.md", "haproxy", changes))

    with running(smtp_port, haproxy, "-db", "-f", file) as address:
        assert run(source, "-N", "-s", 30, "-m", 60, "-t", "to@example.test", f"inet:{address}")
        page = HTTPConnection(HAPROXY, web_port, timeout=PATIENCE)
        page.request("GET", "/", headers={"Host": "mail.example"})
        assert page.getresponse().status == 200
        page.close()

    rows = nodes[0].client.messages(limit=0)
    recipients = Counter(row.envelope.recipients[0].address for row in rows)
    assert set(recipients.values()) == {1}
    assert len(recipients) == 60
    assert {str(row.session.peer).rpartition(":")[0] for row in rows} == {"127.0.0.1"}
