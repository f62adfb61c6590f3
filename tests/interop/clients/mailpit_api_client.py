"""
The whole of PyPI's mailpit-api-client against bindpost: `mailpit_api_client.py URL`.

It is of 2023, and wants a `Read` in a whole message. Mailpit has none there any more, so
`get_message` fails there as it does here.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from mailpit.client.api import API  # type: ignore[import-not-found]


def main(url: str) -> None:
    """Read, mark and delete the one message, which came by SMTP."""
    api = API(url)
    (summary,) = api.get_messages().messages
    assert (summary.subject, summary.from_.address) == ("Grüße", "from@example.test"), summary
    with suppress(KeyError):
        api.get_message(summary.id)
    assert api.last_response.json()["Text"] == "Zeichen: ä\r\n"
    assert api.get_message_attachment(summary.id, "3") == "abc"
    assert api.get_message_headers(summary.id).message_id == ["<m1@example.test>"]
    api.delete_messages([summary.id])  # sends a form, where Mailpit wants JSON: it deletes all
    assert api.get_messages().total == 0


if __name__ == "__main__":
    main(sys.argv[1])
