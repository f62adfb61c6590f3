"""The whole of PyPI's mailhog against bindpost: `mailhog_client.py HOST PORT`."""

from __future__ import annotations

import sys

from mailhog import Mailhog  # type: ignore[import-not-found]


def main(host: str, port: str) -> None:
    """Read, find and delete the one message, which came by SMTP."""
    mailhog = Mailhog(host, int(port))
    found = mailhog.messages()
    assert (found.total, found.count, found.start) == (1, 1, 0), found
    (mail,) = found.items
    assert mail.get_sender() == "from@example.test"
    assert mail.get_recipients() == ["to@example.test", "blind@example.test"]
    assert mail.get_subject() == "=?utf-8?b?R3LDvMOfZQ==?=", mail.get_subject()
    assert mailhog.search("zeichen").total == 1
    assert mailhog.search("from@example.test", kind="from").total == 1
    assert mailhog.search("nobody", kind="to").total == 0
    mailhog.delete(mail)
    assert mailhog.messages().total == 0
    mailhog.delete_all()


if __name__ == "__main__":
    main(*sys.argv[1:])
