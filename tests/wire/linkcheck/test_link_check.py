"""Links that are asked for, at a real HTTP server: what comes of them, and what is never asked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from bindpost.config.model import LinkCheck
from bindpost.errors import ConfigError
from bindpost.server.linkcheck.budget import Budget
from bindpost.server.linkcheck.checker import REMEMBERED, LinkChecker
from bindpost.server.linkcheck.request import HOPS, clean
from bindpost.server.linkcheck.result import LinkResult
from bindpost.server.linkcheck.rules import Rules
from bindpost.server.smtp.tls import self_signed_pem

from ...clock import Clock
from .conftest import LOOPBACK, Sites


async def one(checker: LinkChecker, url: str, *, follow: bool = False) -> LinkResult:
    """Give what comes of one link."""
    (result,) = await checker.check([url], follow=follow)
    return result


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        ("200 OK", "fine", 200),
        ("204 No Content", "fine", 204),
        ("404 Not Found", "error", 404),
        ("500 Oops", "error", 500),
        ("301 Moved\r\nLocation: /there", "redirect", 301),
        ("304 Not Modified", "redirect", 304),
    ],
)
async def test_what_comes_of_a_link(
    answer: str, outcome: str, status: int, serve: Sites, checker: LinkChecker
) -> None:
    """The status of the first answer decides; no redirect is followed unless it is asked for."""
    async with serve({"/x": answer}) as site:
        result = await one(checker, site.url("/x"))

    assert (result.outcome, result.status) == (outcome, status)
    assert result.is_error is (status >= 400)
    assert result.location == (site.url("/there") if status == 301 else "")
    assert [method for method, _, _ in site.asked] == ["HEAD"]


async def test_nothing_but_the_url_is_sent(serve: Sites, checker: LinkChecker) -> None:
    """No cookie, no referrer, no login: user, password and #fragment of a link stay here."""
    async with serve({"/%C3%BC%20x?a=b": "200 OK\r\nSet-Cookie: a=b"}) as site:
        url = site.url("/ü x?a=b#secret").replace("http://", "http://ann:hidden@")
        assert (await one(checker, url)).status == 200
        assert (await one(checker, url + "2")).status == 200

    for method, path, headers in site.asked:
        assert (method, path) == ("HEAD", "/%C3%BC%20x?a=b")
        assert set(headers) == {"host", "user-agent", "accept", "connection"}
        assert headers["host"] == f"127.0.0.1:{site.port}"
        assert headers["user-agent"].startswith("bindpost/")


@pytest.mark.parametrize("status", [405, 501])
async def test_where_head_is_refused_get_is_tried(
    status: int, serve: Sites, checker: LinkChecker
) -> None:
    """And its body is not waited for: this one never ends."""
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000
    async with serve({"HEAD /x": f"{status} No", "GET /x": body}) as site:
        result = await one(checker, site.url("/x"))

    assert (result.outcome, result.status) == ("fine", 200)
    assert [method for method, _, _ in site.asked] == ["HEAD", "GET"]


async def test_redirects_are_followed_when_asked_for(serve: Sites, checker: LinkChecker) -> None:
    """To the last answer, wherever each hop leads."""
    async with serve({"/there": "200 OK"}) as other:
        answers: dict[str, str | bytes] = {
            "/a": "302 Found\r\nLocation: b",
            "/b": f"307 Go\r\nLocation: {other.url('/there')}",
        }
        async with serve(answers) as site:
            result = await one(checker, site.url("/a"), follow=True)

    assert (result.outcome, result.status) == ("fine", 200)
    assert result.location == other.url("/there")


async def test_endless_redirects_end(serve: Sites, checker: LinkChecker) -> None:
    """After some hops nobody is asked any more."""
    async with serve({"/a": "301 Moved\r\nLocation: /a"}) as site:
        result = await one(checker, site.url("/a"), follow=True)

    assert (result.outcome, result.reason) == ("unreachable", f"more than {HOPS} redirects")
    assert len(site.asked) == HOPS + 1


@pytest.mark.parametrize(
    ("location", "outcome", "reason"),
    [
        ("http://10.0.0.1/", "refused", "leads to 10.0.0.1, which is private"),
        ("file:///etc/passwd", "unreachable", "leads to what is no URL of a server"),
        ("gopher://127.0.0.1/", "unreachable", "leads to what is no URL of a server"),
        ("http://[::1", "redirect", ""),
    ],
)
async def test_each_hop_is_judged(
    location: str, outcome: str, reason: str, serve: Sites, checker: LinkChecker
) -> None:
    """GHSA-mpf7-p9x7-96r3: a public page that redirects inside gets nobody there."""
    async with serve({"/a": f"302 Found\r\nLocation: {location}"}) as site:
        result = await one(checker, site.url("/a"), follow=True)

    assert result.outcome == outcome
    assert reason in result.reason
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::1]",
        "user@127.0.0.1",
        "8.8.8.8@127.0.0.1",
    ],
)
async def test_no_private_address_is_connected_to(host: str, serve: Sites) -> None:
    """
    GHSA-mpf7-p9x7-96r3, GHSA-w4mc-hhc6-xp28: a listening socket on loopback sees nothing at all.

    However its address is written, and whatever IPv6 form carries it.
    """
    async with serve({"/": "200 OK"}) as site, serve({"/": "200 OK"}, address="::1") as six:
        checker = LinkChecker(Rules())
        for port in (site.port, six.port):
            result = await one(checker, f"http://{host}:{port}/")
            assert result.outcome == "refused"
            assert result.status is None

    assert site.connections == six.connections == 0


@pytest.mark.parametrize("address", ["10.0.0.1", "100.64.0.1", "169.254.169.254", "fd00::1"])
async def test_a_name_cannot_be_bound_anew(
    address: str, serve: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    GHSA-6jxm-fv7w-rw5j, DNS rebinding: the address that was judged is the one connected to.

    A resolver that says something else the second time is never asked a second time.
    """
    answers = iter(["127.0.0.1", address, address])
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo
    asked: list[Any] = []

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
        if host != "rebinding.test":
            return await real(host, port, **options)
        asked.append(host)
        return await real(next(answers), port, **options)

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo, raising=False)
    async with serve({"/": "200 OK"}) as site:
        allowed = LinkChecker(Rules(networks=LOOPBACK))
        first = await one(allowed, site.url(host="rebinding.test"))
        second = await one(allowed, site.url("/again", host="rebinding.test"))

    assert first.outcome == "fine"
    assert second.outcome == "refused"
    assert len(asked) == 2
    assert site.connections == 1


async def test_networks_that_are_named_may_be_asked(serve: Sites, tmp_path: Path) -> None:
    """And no other; a setting that is no network is told with its name."""
    table = LinkCheck(networks=("127.0.0.1",))
    rules = Rules.load(table, folder=tmp_path)
    assert rules is not None
    async with serve({"/": "200 OK"}) as site:
        assert (await one(LinkChecker(rules), site.url())).outcome == "fine"
        assert (await one(LinkChecker(rules), "http://127.0.0.2/")).outcome == "refused"
    with pytest.raises(ConfigError, match=r"link_check\.networks"):
        Rules.load(LinkCheck(networks=("here",)), folder=tmp_path)
    with pytest.raises(ConfigError, match=r"link_check\.ca_file"):
        Rules.load(LinkCheck(ca_file="none.pem"), folder=tmp_path)
    assert Rules.load(LinkCheck(enabled=False), folder=tmp_path) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://127.0.0.1/", "it is no URL of a server"),
        ("http://", "it is no URL of a server"),
        ("http://[::1", "it is no URL"),
        ("http://a:99999/", "it is no URL"),
        ("http://a..b/", "it is no URL"),
        ("http://a b/", "it is no URL of a server"),
        (f"http://a/{'x' * 5000}", "it is longer than 4096 characters"),
        ("http://127.0.0.1\r\nX: y/", "it is no URL"),
    ],
)
async def test_what_is_no_url_is_not_asked(url: str, words: str, checker: LinkChecker) -> None:
    """It is told what it is."""
    result = await one(checker, url)

    assert result.outcome == "unreachable"
    assert words in result.reason


@pytest.mark.parametrize("trusted", [True, False])
async def test_https_is_checked(serve: Sites, tmp_path: Path, *, trusted: bool) -> None:
    """A certificate that isn't trusted is told; `ca_file` says which are."""
    pem = tmp_path / "cert.pem"
    pem.write_bytes(self_signed_pem("localhost"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    table = LinkCheck(networks=("127.0.0.1",), ca_file="cert.pem" if trusted else "")
    rules = Rules.load(table, folder=tmp_path)
    assert rules is not None
    async with serve({"/": "200 OK"}, tls=context) as site:
        result = await one(LinkChecker(rules), f"https://localhost:{site.port}/")

    assert result.outcome == ("fine" if trusted else "unreachable")
    assert result.reason.startswith("" if trusted else "TLS: ")
    assert len(site.asked) == trusted


async def test_what_does_not_answer(serve: Sites, clock: Clock) -> None:
    """A closed port, garbage, an answer without end, and one that takes too long are told apart."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening
        answers: dict[str, str | bytes] = {
            "/garbage": b"220 mail.example ESMTP\r\n\r\n",
            "/endless": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
            "/late": "wait",
        }
        async with serve(answers) as site:
            checker = LinkChecker(Rules(networks=LOOPBACK, timeout=60, whole_timeout=600))
            *urls, late = f"http://127.0.0.1:{closed.getsockname()[1]}/", *map(site.url, answers)
            results = list(await checker.check(urls, follow=False))
            waiting = asyncio.create_task(checker.check([late], follow=False))
            await site.waits.get()
            await clock.move_on(61)
            results += await waiting

    assert {result.outcome for result in results} == {"unreachable"}
    assert all(result.is_error for result in results)
    reasons = [result.reason for result in results]
    assert reasons[0] == "no connection at 127.0.0.1: Connection refused"
    assert reasons[1].startswith("the answer is no HTTP: ")
    assert reasons[2].startswith("the answer is no HTTP: ")
    assert reasons[3] == "not done after 60 seconds"


async def test_the_whole_check_has_an_end(serve: Sites, clock: Clock) -> None:
    """What isn't done by then was not asked, or not to the end."""
    async with serve({"/late": "wait", "/": "200 OK", "/later": "wait"}) as site:
        checker = LinkChecker(Rules(networks=LOOPBACK, timeout=600, whole_timeout=60))
        urls = [site.url(path) for path in ("/late", "/", "/later")]
        checking = asyncio.create_task(checker.check(urls, follow=False))
        assert [await site.waits.get() for _ in range(2)] == ["/late", "/later"]  # two at a time
        await clock.move_on(61)
        late, fine, later = await checking

    assert fine.outcome == "fine"
    for result in (late, later):
        assert (result.outcome, result.reason) == ("not_asked", "not done after 60 seconds for all")


async def test_only_so_many_links_are_asked_for(serve: Sites) -> None:
    """The others are named, and nobody is asked for them."""
    async with serve() as site:
        checker = LinkChecker(Rules(networks=LOOPBACK, links=2))
        results = await checker.check([site.url(f"/{n}") for n in range(5)], follow=False)

    assert [result.outcome for result in results] == ["error"] * 2 + ["not_asked"] * 3
    assert len(site.asked) == 2


async def test_one_host_is_asked_twice_at_a_time(serve: Sites) -> None:
    """A mail with many links to a server is no attack on it."""
    async with serve(dict.fromkeys((f"/{n}" for n in range(12)), "200 OK")) as site:
        checker = LinkChecker(Rules(networks=LOOPBACK))
        results = await checker.check([site.url(f"/{n}") for n in range(12)], follow=False)

    assert {result.outcome for result in results} == {"fine"}
    assert 1 <= site.most_together <= 2


async def test_a_minute_has_a_budget(serve: Sites) -> None:
    """Redirects count too; what is over it is not asked, and asked again when there is room."""
    now = 0.0
    async with serve({"/a": "301 Moved\r\nLocation: /b", "/b": "200 OK"}) as site:
        checker = LinkChecker(Rules(networks=LOOPBACK, per_minute=3), clock=lambda: now)
        assert (await one(checker, site.url("/a"), follow=True)).outcome == "fine"
        assert (await one(checker, site.url("/b"))).outcome == "fine"
        spent = await one(checker, site.url("/c"))
        now = 20.0
        later = await one(checker, site.url("/c"))

    assert (spent.outcome, spent.reason) == (
        "not_asked",
        "the requests of this minute are used up",
    )
    assert later.status == 404


def test_a_budget_holds_a_minute_at_most() -> None:
    """However long nothing was asked."""
    now = 0.0
    budget = Budget(2, clock=lambda: now)
    now = 1_000.0

    assert [budget.take() for _ in range(3)] == [True, True, False]


async def test_a_result_is_remembered_for_a_while(serve: Sites) -> None:
    """So that looking twice asks once; with and without redirects are two questions."""
    now = 0.0
    async with serve({"/x": "200 OK"}) as site:
        checker = LinkChecker(Rules(networks=LOOPBACK), clock=lambda: now)
        first = await one(checker, site.url("/x"))
        assert await one(checker, site.url("/x")) == first
        assert len(site.asked) == 1
        await one(checker, site.url("/x"), follow=True)
        assert len(site.asked) == 2
        now = REMEMBERED
        await one(checker, site.url("/x"))
        assert len(site.asked) == 3


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        ("HTTP://Example.COM", "http://example.com"),
        ("http://bücher.example/ü?q=ä b#f", "http://xn--bcher-kva.example/%C3%BC?q=%C3%A4%20b"),
        ("https://u:p@e.test:8443/a%20b", "https://e.test:8443/a%20b"),
        ("http://[2606:4700::1]:8080/x", "http://[2606:4700::1]:8080/x"),
    ],
)
def test_how_a_link_is_asked(url: str, cleaned: str) -> None:
    """In ASCII, without a user and a #fragment; what is escaped stays so."""
    assert clean(url) == cleaned
