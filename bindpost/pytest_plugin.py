"""
The pytest plugin: mail servers as fixtures (docs/pytest.md).

pytest loads this module in every run, so it imports nothing of ours until a fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from .testing.mailserver import MailServer

_SHARED: Final[pytest.StashKey[MailServer]] = pytest.StashKey()
_KEYWORDS: Final = ("personality", "tls", "via", "on_bind_failure", "config", "settings")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our ini options."""
    parser.addini(
        "bindpost_personality",
        "Server that the fixtures bindpost and bindpost_session imitate: plain, ims-5.5, ...",
        default="plain",
    )
    parser.addini(
        "bindpost_server",
        "URL of a running bindpost that bindpost_session is to use: http://HOST:PORT",
        default="",
    )
    parser.addini(
        "bindpost_mailbox",
        "Mailbox of that server, which nobody else should use; {worker} stands for xdist's worker",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of our marker."""
    config.addinivalue_line(
        "markers",
        "bindpost(personality, tls, via, on_bind_failure, config, settings): "
        "how the server of the fixture `bindpost` is to be",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a test see nothing of what tests before it sent to the server that they share."""
    if (server := item.config.stash.get(_SHARED, None)) is not None:
        server.begin()


@pytest.fixture
def bindpost(request: pytest.FixtureRequest) -> Iterator[MailServer]:
    """Give a mail server of the test's own, in this process, on a free port."""
    yield from _in_process(request, _marked(request))


@pytest.fixture(scope="session")
def bindpost_session(request: pytest.FixtureRequest) -> Iterator[MailServer]:
    """Give a mail server for the whole run, or the one that `bindpost_server` names; each test sees
    its own mail."""
    url = request.config.getini("bindpost_server")
    mailbox = request.config.getini("bindpost_mailbox")
    for server in _running(url, _named(request, mailbox)) if url else _in_process(request, {}):
        request.config.stash[_SHARED] = server
        yield server
        del request.config.stash[_SHARED]


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Gather what the markers say; those nearer to the test win."""
    keywords: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("bindpost"))):
        unknown = marker.kwargs.keys() - set(_KEYWORDS)
        if marker.args or unknown:
            strange = ", ".join([*map(repr, marker.args), *sorted(unknown)])
            known = ", ".join(f"{name}=" for name in _KEYWORDS)
            pytest.fail(f"@pytest.mark.bindpost takes {known}; not {strange}", pytrace=False)
        keywords |= marker.kwargs
    return keywords


def _in_process(request: pytest.FixtureRequest, keywords: dict[str, Any]) -> Iterator[MailServer]:
    from .errors import BindpostError
    from .testing.chosen import chosen_settings
    from .testing.inprocess import InProcess
    from .testing.mailserver import MailServer

    if "config" in keywords:
        keywords = keywords | {"config": request.config.rootpath / keywords["config"]}
    elif "personality" not in keywords:
        keywords = keywords | {"personality": request.config.getini("bindpost_personality")}
    if (personality := keywords.get("personality") or "").endswith(".toml"):
        keywords = keywords | {"personality": str(request.config.rootpath / personality)}
    try:
        server = InProcess(chosen_settings(**keywords), folder=request.config.rootpath)
        server.start()
    except BindpostError as error:
        pytest.fail(f"no bindpost for this test: {error}", pytrace=False)
    try:
        yield MailServer(server)
    finally:
        server.stop()


def _named(request: pytest.FixtureRequest, mailbox: str) -> str | None:
    """Give the name of a mailbox, with the name of pytest-xdist's worker in it; None for none."""
    worker: str = getattr(request.config, "workerinput", {}).get("workerid", "main")
    return mailbox.replace("{worker}", worker) or None


def _running(url: str, mailbox: str | None) -> Iterator[MailServer]:
    from .errors import BindpostError
    from .testing.mailserver import MailServer
    from .testing.running import Running

    try:
        server = MailServer(Running(url, mailbox=mailbox))
        server.begin()
    except BindpostError as error:
        pytest.fail(f"bindpost_server: {error}", pytrace=False)
    yield server
    server.faults.clear()
