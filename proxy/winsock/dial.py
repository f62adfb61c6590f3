"""Opens a session with the first proxy server that works, and tells how each step went."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace

from bindpost.errors import BindError

from ..provider import Hop, failed_hop
from .channel import ControlChannel, Timing, resolve
from .failures import Failures
from .messages import BindInfo
from .ntlm import Credentials
from .wire import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialer:
    """
    What is needed to greet a proxy: names or addresses, best first, and the control port.

    `executable` is what the client says that it is, `credentials` who logs in, None for nobody.
    """

    servers: tuple[str, ...]
    port: int
    timing: Timing
    executable: str
    credentials: Credentials | None = None

    async def dial(
        self,
        failures: Failures,
        hops: list[Hop],
        *,
        local_host: str = "",
        on_notice: Callable[[BindInfo], None],
    ) -> ControlChannel:
        """
        Greet the servers in turn; each step that was walked is added to `hops`.

        A server that cannot be used is no failure in them if a later one can. The session comes
        from `local_host`, to which the proxy connects back. There must be a server. Raises
        `BindError` if none can be used; then, and when cancelled, nothing is left open.
        """
        walked: list[Hop] = []
        errors: list[BindError] = []
        for server in self.servers:
            try:
                channel = await self._greet(server, failures, walked, local_host, on_notice)
            except BindError as error:
                errors.append(error)
            else:
                hops += [hop if hop.ok else replace(hop, ok=None, code=None) for hop in walked]
                return channel
        hops += walked
        raise failures.all_unusable(errors)

    async def _greet(
        self,
        server: str,
        failures: Failures,
        hops: list[Hop],
        local_host: str,
        on_notice: Callable[[BindInfo], None],
    ) -> ControlChannel:
        host = await _walk(hops, "resolve", server, resolve(server, failures, self.timing))
        channel = ControlChannel(
            Address(host, self.port),
            failures=failures,
            timing=self.timing,
            application=self.executable,
            on_notice=on_notice,
        )
        target = f"{host}:{self.port}/udp"
        try:
            await _walk(hops, "greeting", target, _open(channel, local_host))
            if self.credentials is not None:
                await _walk(hops, "auth", target, _log_in(channel, self.credentials))
        except BaseException:
            channel.close()
            await channel.wait_closed()
            raise
        return channel


async def _open(channel: ControlChannel, local_host: str) -> str:
    await channel.open(local_host)
    return "the proxy answers"


async def _log_in(channel: ControlChannel, credentials: Credentials) -> str:
    await channel.log_in(credentials)
    return f"logged in as {credentials.user}"


async def _walk(hops: list[Hop], name: str, target: str, step: Coroutine[None, None, str]) -> str:
    """Do one step and note how it went; a failure is noted under the hop that its error names."""
    start = time.perf_counter()
    try:
        result = await step
    except BindError as error:
        hops.append(failed_hop(error, target, _since(start)))
        raise
    hops.append(Hop(name, target, True, result, _since(start)))
    return result


def _since(start: float) -> float:
    """Give the milliseconds since a reading of `time.perf_counter`."""
    return (time.perf_counter() - start) * 1000
