"""Walks an ssh path hop by hop and says what a bind would meet there, without binding."""

from __future__ import annotations

from collections.abc import Sequence

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from ..provider import Hop
from .connection import Answers, SshConnection
from .dial import Walk, dial
from .failures import Failures
from .gateway import unsure
from .request import ListenRequest
from .settings import SshSettings


async def diagnose(settings: SshSettings, endpoint: Endpoint) -> list[Hop]:
    """Log in, look whether the port is taken, say what would be asked for, and leave."""
    failures = Failures(settings=settings, endpoint=endpoint)
    walk = Walk()
    if endpoint.is_unix:
        walk.failed(failures.of("not-tcp"), str(endpoint))
        return walk.hops
    try:
        connection = await dial(settings, failures, walk)
    except BindError:
        return [*walk.hops, *_unreached(walk.hops, failures)]
    try:
        detail = await _foresee(connection, failures, settings)
    except BindError as error:
        walk.failed(error, str(endpoint))
    else:
        walk.passed("bind", str(endpoint), detail)
    finally:
        await connection.close()
    doubt = unsure(endpoint, settings.host)
    if doubt is not None:
        walk.hops.append(Hop("gateway", str(endpoint), None, doubt.sentence, hint=doubt.hint))
    return walk.hops


async def _foresee(connection: SshConnection, failures: Failures, settings: SshSettings) -> str:
    """Say what would be asked for; raises the `BindError` that it would meet."""
    endpoint = failures.endpoint
    answers = Answers.UNKNOWN
    if endpoint.port:
        host = ListenRequest(endpoint).reached_at
        answers = await connection.probe(host, endpoint.port)
    if connection.forbids_forwarding:
        raise failures.of("forwarding-disabled", "so say the options of the key")
    if answers is Answers.YES:
        raise failures.of("in-use", "something answers there")
    asked = f"would ask {settings.server} to listen on {endpoint}"
    if answers is Answers.NO:
        return f"{asked}; nothing answers there now, and whether it is permitted only asking tells"
    return f"{asked}; whether it is permitted and free only asking tells"


def _unreached(hops: Sequence[Hop], failures: Failures) -> list[Hop]:
    """Give the steps that were not walked after one that failed."""
    settings = failures.settings
    targets = {
        "resolve": settings.host,
        "connect": settings.server,
        "greeting": settings.server,
        "auth": settings.login,
        "bind": str(failures.endpoint),
    }
    names = list(targets)
    last = names.index(hops[-1].name)
    return [Hop(name, targets[name], None, "not reached") for name in names[last + 1 :]]
