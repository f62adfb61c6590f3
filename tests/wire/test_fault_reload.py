"""A reload exchanges the faults of the settings, and leaves the others."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bindpost.config.fault import Fault, When
from bindpost.config.model import Listener, Settings
from bindpost.errors import ConfigError
from bindpost.server.app import Bindpost


async def test_a_reload_exchanges_faults(tmp_path: Path) -> None:
    """Those that somebody has added meanwhile stay; bad settings change nothing."""

    def with_fault(name: str, recipient: str = "") -> Settings:
        when = When(recipient=recipient)
        fault = Fault(name=name, stage="RCPT", action="reply", when=when)
        return msgspec.structs.replace(settings, fault=(fault,))

    settings = Settings(listener=(Listener("127.0.0.1:0"),), web="off", data=":memory:")
    async with Bindpost(with_fault("old"), folder=tmp_path) as app:
        app.faults.add(Fault(name="mine", stage="QUIT", action="drop"))

        await app.reload(with_fault("new"), folder=tmp_path)
        assert [one.fault.name for one in app.faults.rules] == ["new", "mine"]

        with pytest.raises(ConfigError, match="none of RE2's"):
            await app.reload(with_fault("bad", "/(/"), folder=tmp_path)
        assert [one.fault.name for one in app.faults.rules] == ["new", "mine"]
