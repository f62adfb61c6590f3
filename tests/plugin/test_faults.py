"""`bindpost.faults`: faults for a test, gone after it."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from bindpost.client.faults import FaultRefusedError
from bindpost.testing.chosen import chosen_settings
from bindpost.testing.inprocess import in_process
from bindpost.testing.mailserver import MailServer
from bindpost.testing.running import connect


@pytest.fixture(params=["in process", "running"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MailServer]:
    """Give a server in this process, also by its API as one that runs elsewhere."""
    settings = chosen_settings(settings={"web": "127.0.0.1:0"})
    with in_process(settings, folder=tmp_path) as own:
        assert own.web is not None
        yield own if request.param == "in process" else connect(own.web)


def rcpt(server: MailServer, address: str) -> int:
    """Give the code of a RCPT."""
    with smtplib.SMTP(server.host, server.port) as client:
        client.ehlo()
        client.mail("a@b.test")
        return client.rcpt(address)[0]


def test_a_fault_strikes_whom_it_names_while_the_block_lasts(server: MailServer) -> None:
    """Conditions stand beside the other keys; the log tells whom it struck."""
    with server.faults.add("RCPT", "reply", code=552, recipient="*@full.test") as full:
        assert rcpt(server, "jane@full.test") == 552
        assert rcpt(server, "jane@fine.test") == 250
        assert full.fired == 1
        assert full.log[0].recipients == ("jane@full.test",)
        assert server.faults.log == full.log

    assert rcpt(server, "jane@full.test") == 250


def test_a_preset_is_narrowed(server: MailServer) -> None:
    """Its rules strike only who meets the conditions as well."""
    server.faults.preset("greylisting", recipient="*@grey.test")

    assert [rcpt(server, "a@grey.test"), rcpt(server, "a@white.test")] == [450, 250]


def test_a_preset_has_other_numbers(server: MailServer) -> None:
    """Greylisting ends sooner; what can't be narrowed is left out, and told."""
    with server.faults.preset("greylisting", seconds=0.05, code=451) as grey:
        codes = list(iter(lambda: rcpt(server, "a@grey.test"), 250))
        assert (set(codes), len(codes), grey.left_out) == ({451}, grey.fired, ())

    tarpit = server.faults.preset("tarpit", recipient="*@slow.test", seconds=0.01)

    assert tarpit.names == ("tarpit-2", "tarpit-3")
    assert [one.summary for one in tarpit.left_out] == ["delay 2 s at banner"]


def test_what_a_test_added_is_gone_when_the_next_begins(server: MailServer) -> None:
    """Also what it did not put into a block."""
    server.faults.add("RCPT", "reply")
    server.begin()

    assert rcpt(server, "a@b.test") == 250


def test_a_bounce_goes_out_by_the_relay(tmp_path: Path) -> None:
    """It is in the inbox, and at the server that the relay leads to."""
    with in_process(chosen_settings(), folder=tmp_path) as outside:
        relay = {"server": f"{outside.host}:{outside.port}"}
        with in_process(chosen_settings(settings={"relay": relay}), folder=tmp_path) as server:
            server.faults.add("after-acceptance", "bounce", code=550, text="No such user")
            with smtplib.SMTP(server.host, server.port) as client:
                client.sendmail("me@origin.test", ["you@gone.test"], "Subject: Hello")

            arrived = outside.wait_for(to="me@origin.test", sender="")
            kept = server.wait_for(to="me@origin.test", sender="")

    assert arrived.content.subject == kept.subject == "Undeliverable mail"
    report = arrived.email()
    assert report.get_content_type() == "multipart/report"
    status = list(report.iter_parts())[1].get_payload()
    assert isinstance(status, list)
    assert isinstance(status[1], Message)
    assert status[1]["Final-Recipient"] == "rfc822; you@gone.test"
    assert status[1]["Diagnostic-Code"] == "smtp; 550 No such user"


def test_what_can_not_be_is_refused(server: MailServer) -> None:
    """With a sentence, and in one way wherever the server is."""
    with pytest.raises(FaultRefusedError, match="the stage RCPT has no action lose"):
        server.faults.add("RCPT", "lose")
    with pytest.raises(FaultRefusedError, match="cod: there is no such setting; did you mean code"):
        server.faults.add("RCPT", "reply", cod=550)
    with pytest.raises(FaultRefusedError, match="which can hold from the stage RCPT on"):
        server.faults.add("MAIL", "reply", recipient="*@x")
    with pytest.raises(FaultRefusedError, match="no rule of full-mailbox takes seconds"):
        server.faults.preset("full-mailbox", seconds=1)
    with pytest.raises(FaultRefusedError, match="cod: no key that a preset can be used with"):
        server.faults.preset("full-mailbox", cod=550)
    with pytest.raises(FaultRefusedError, match="no preset 'nothing'"):
        server.faults.preset("nothing")
