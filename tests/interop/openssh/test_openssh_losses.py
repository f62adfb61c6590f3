"""Logins at an sshd that are killed or hang: the port is bound again."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace

from bindpost.errors import BindError
from bindpost.proxy.provider import ListenerState
from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.proxy.ssh.provider import SshProvider

from ...clock import Clock
from ...fixtures import clock_of_the_loop as clock_of_the_loop
from .bench import QUICK, bound, visit

Reports = asyncio.Queue[tuple[ListenerState, BindError | None]]


async def test_a_killed_login(sshd: OpenSshServer, provider: SshProvider) -> None:
    """When the login's process is killed, it is noticed, and the same port is bound again."""
    await sshd.start()
    reports: Reports = asyncio.Queue()
    async with bound(provider, report=lambda *report: reports.put_nowait(report)) as listener:
        port = listener.addresses[0].port
        sshd.signal_sessions(signal.SIGKILL)
        state, error = await reports.get()
        assert (state, error is not None and error.code) == (ListenerState.RETRYING, 10050)
        while (await reports.get())[0] is not ListenerState.LISTENING:
            pass
        own, told = await visit(port)

    assert own == told


async def test_a_login_that_hangs(sshd: OpenSshServer, clock: Clock) -> None:
    """The port of a login that hangs is held until sshd misses it; so long it is retried."""
    await sshd.start()
    timing = replace(QUICK, keepalive=10.0, keepalive_count=1)
    provider = SshProvider(replace(sshd.settings(QUICK), timing=timing))
    reports: Reports = asyncio.Queue()
    async with bound(provider, report=lambda *report: reports.put_nowait(report)) as listener:
        sshd.signal_sessions(signal.SIGSTOP)
        hung = sshd.sessions()
        while reports.empty():
            await clock.move_on(1.0)
        states = [await reports.get(), await reports.get()]
        for pid in hung:
            os.kill(pid, signal.SIGKILL)
        while (await reports.get())[0] is not ListenerState.LISTENING:
            pass
        own, told = await visit(listener.addresses[0].port)

    errors = [error for _, error in states]
    assert [state for state, _ in states] == [ListenerState.RETRYING] * 2
    assert [error.code for error in errors if error] == [10050, 10048]
    assert errors[0] is not None
    assert "10060" in errors[0].detail
    assert own == told
