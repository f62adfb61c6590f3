"""Awkward mail over a real server: taken as it is, kept as it is, and shown from every side."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from typing import Any

import pytest

from bindpost.server.web.pages import SHOWN

from .body import BODIES
from .conftest import Desk
from .header import HEADERS
from .kit import Awkward
from .structure import STRUCTURES

MAILS = [*HEADERS, *BODIES, *STRUCTURES]
SIZE = 100_000
"""Bytes of what is as long as one likes: past most limits of display, and quick."""
SHOWN_OF_EACH = ("", "headers", "source", "parts", "links")
"""Views of the page that are asked for: those that depend on what is in a message."""


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.name)
def test_nothing_is_refused_or_altered_and_all_is_shown(mail: Awkward, desk: Desk) -> None:
    """A message of the tables comes in by SMTP, is kept byte for byte, and can be looked at."""
    raw = mail.make(SIZE)

    content = look_round(desk, raw)

    assert mail.subject is None or content["subject"] == mail.subject
    shown = f"{content['from'][0]['name']} {content['from'][0]['address']}" if mail.sender else ""
    assert (mail.sender or "") in shown
    assert (mail.text or "") in content["text"]
    assert mail.text != "" or content["text"] == ""
    assert (mail.html or "") in content["html"]
    files = [part["file_name"] for part in (*content["attachments"], *content["inline"])]
    assert mail.files is None or files == list(mail.files)
    assert (mail.note or "") in " ".join(content["defects"])


def test_what_cpython_tests_its_parser_with_is_shown(cpython_mail: Traversable, desk: Desk) -> None:
    """Each message of CPython's own tests is kept and shown."""
    messages = [
        file.read_bytes() for file in cpython_mail.iterdir() if file.name.startswith("msg_")
    ]
    assert len(messages) > 40
    for raw in messages:
        look_round(desk, raw if raw.endswith(b"\r\n") else raw + b"\r\n")


def test_lists_and_mail_clients_have_all_of_them(desk: Desk) -> None:
    """Each is in the lists; by POP3 each comes whole, but that a bare LF becomes a line end."""
    desk.serving.client.delete_all()
    messages = [mail.make(SIZE) for mail in MAILS]
    desk.deliver(*messages)

    for mail, raw, fetched in zip(MAILS, messages, desk.fetch(), strict=True):
        plain = raw.replace(b"\r\n", b"\n")
        assert [each.replace(b"\r\n", b"\n") for each in fetched] == [plain, plain], mail.name

    assert len(desk.http.get("/api/v1/messages?limit=0").json()["messages"]) == len(MAILS)
    assert desk.http.get("/api/v2/messages").json()["total"] == len(MAILS)
    assert desk.http.get("/?part=rows").text.count("<li id=") == SHOWN


def test_nobody_unpacks_a_picture_bomb(desk: Desk) -> None:
    """Mailpit's thumbnail leads to the picture as it came; the server makes none."""
    (bomb,) = [mail for mail in BODIES if mail.name == "picture-bomb"]
    message_id = desk.deliver(bomb.make(SIZE))

    thumb = desk.http.get(f"/api/v1/message/{message_id}/part/2/thumb")

    assert thumb.status_code == 302
    assert len(desk.http.get(thumb.headers["location"]).content) < 10_000


def look_round(desk: Desk, raw: bytes) -> dict[str, Any]:
    """Send a message, look at it by every door, and give what our own API says is in it."""
    message_id = desk.deliver(raw)
    own = f"/api/bindpost/v1/messages/{message_id}"
    mailpit = f"/api/v1/message/{message_id}"

    def get(path: str, status: int = 200) -> bytes:
        answer = desk.http.get(path)
        assert answer.status_code == status, (path, answer.text[:200])
        return answer.content

    content: dict[str, Any] = desk.http.get(own).raise_for_status().json()["content"]
    parts = [part["part_id"] for part in (*content["attachments"], *content["inline"])]
    assert get(f"{own}/raw") == raw
    get(mailpit)
    get(f"{mailpit}/headers")
    get(f"/api/v1/messages/{message_id}")
    get(f"/view/{message_id}/html", 200 if content["html"] else 404)
    if parts:
        get(f"{mailpit}/part/{parts[0]}")
    assert message_id.encode() in get("/?part=rows")
    for view in SHOWN_OF_EACH:
        page = get(f"/view/{message_id}?part=message&show={view}").decode()
        assert f'data-id="{message_id}"' in page
        for defect in content["defects"]:
            assert defect in page
    return content
