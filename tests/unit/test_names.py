"""What a server and its node are called."""

from __future__ import annotations

import socket

from bindpost.config.model import Settings
from bindpost.config.names import hostname_of, node_of


def test_a_node_is_called_as_its_server_unless_told_otherwise() -> None:
    """The machine's name holds for both, `hostname` for both, `node` for the node only."""
    machine = socket.gethostname()

    for settings, names in (
        (Settings(), (machine, machine)),
        (Settings(hostname="mail.example"), ("mail.example", "mail.example")),
        (Settings(hostname="mail.example", node="n1"), ("mail.example", "n1")),
        (Settings(node="n1"), (machine, "n1")),
    ):
        assert (hostname_of(settings), node_of(settings)) == names
