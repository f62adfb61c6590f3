"""Who may log in at an sshd, and at which: keys, users, known hosts, servers that don't answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from bindpost.proxy.provider import ListenerState
from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.proxy.ssh.provider import SshProvider

from .bench import QUICK, bound, refusal


async def test_a_wrong_key(sshd: OpenSshServer) -> None:
    """A key that isn't in authorized_keys is refused."""
    await sshd.start()

    error = await refusal(sshd, key=sshd.make_key("wrong"))

    assert (error.code, error.hop) == (10050, "auth")
    assert "authorized_keys" in error.hint


async def test_a_user_who_may_not(sshd: OpenSshServer) -> None:
    """AllowUsers looks like a wrong key from outside; the hint names both."""
    await sshd.start("AllowUsers nobody-of-this-name")

    error = await refusal(sshd)

    assert error.hop == "auth"
    assert "AllowUsers" in error.hint


async def test_a_key_with_a_passphrase(sshd: OpenSshServer) -> None:
    """A key as ssh-keygen locks it can't be used, and that is what is said."""
    await sshd.start()

    error = await refusal(sshd, key=sshd.make_key("locked", passphrase="secret"))

    assert error.hop == "auth"
    assert "assphrase" in error.detail


async def test_an_unknown_host(sshd: OpenSshServer) -> None:
    """A host that isn't in known_hosts is not trusted; the fingerprint is ssh-keygen's."""
    await sshd.start()
    (sshd.folder / "known_hosts").write_text("")

    error = await refusal(sshd)

    fingerprint = sshd.keygen("-lf", sshd.folder / "host.pub").split()[1]
    assert "not known here" in error.detail
    assert fingerprint in error.detail


async def test_a_changed_host(sshd: OpenSshServer) -> None:
    """A host that shows another key than before is told from an unknown one."""
    await sshd.start()
    sshd.make_key("former")
    sshd.trust("former")

    error = await refusal(sshd)

    assert (error.code, error.hop) == (10050, "auth")
    assert "another than the one in known_hosts" in error.detail


async def test_a_hashed_known_host(sshd: OpenSshServer, provider: SshProvider) -> None:
    """A known_hosts as `ssh-keygen -H` makes it is as good."""
    await sshd.start()
    hosts = sshd.folder / "known_hosts"
    sshd.keygen("-q", "-H", "-f", hosts)
    assert "127.0.0.1" not in hosts.read_text()

    async with bound(provider) as listener:
        assert listener.state is ListenerState.LISTENING


async def test_nothing_listens(sshd: OpenSshServer) -> None:
    """An sshd that isn't there."""
    error = await refusal(sshd)

    assert (error.code, error.hop) == (10050, "connect")


async def test_a_stopped_server(sshd: OpenSshServer) -> None:
    """The kernel still accepts for a server that hangs; the login's time ends it."""
    await sshd.start()
    sshd.pause()

    error = await refusal(sshd, timing=replace(QUICK, login=0.2))

    assert (error.code, error.hop) == (10050, "greeting")
    assert "10060" in error.detail


async def test_too_many_logins_under_way(sshd: OpenSshServer) -> None:
    """MaxStartups turns a connection away; that is no other kind of server."""
    await sshd.start("MaxStartups 1")
    reader, writer = await asyncio.open_connection("127.0.0.1", sshd.address.port)
    await reader.readline()  # it is counted

    try:
        error = await refusal(sshd)
    finally:
        writer.close()
        await writer.wait_closed()

    assert (error.code, error.hop) == (10050, "greeting")
    assert "MaxStartups" in error.hint
