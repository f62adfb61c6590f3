"""Scenarios as an app serves them: the settings' own among them, and who may run them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from bindpost.config.model import Lab, Listener, Settings, WebAccess
from bindpost.errors import ConfigError
from bindpost.server.app import Bindpost

MINE = """\
title = "Mine"
cause = "nothing"
story = "It is short."
[files]
"bindpost.toml" = ""
[[phase]]
name = "fault"
title = "Nothing"
"""


def app_of(folder: Path, web: str = "127.0.0.1:0", **more: object) -> Bindpost:
    """Give an app with a scenario of its settings' folder."""
    (folder / "mine").mkdir(exist_ok=True)
    (folder / "mine" / "own.toml").write_text(MINE)
    (folder / "users").write_text("jane:secret\n")
    settings = Settings(listener=(Listener("127.0.0.1:0"),), web=web, data=":memory:", **more)  # type: ignore[arg-type]
    return Bindpost(settings, folder=folder)


async def refusal(app: Bindpost, **options: object) -> str:
    """Give why a client of this machine may run no scenario; empty if it may."""
    assert app.web is not None
    url = app.web.url.replace("0.0.0.0", "127.0.0.1")
    async with httpx.AsyncClient(base_url=url, **options) as client:  # type: ignore[arg-type]
        listed = (await client.get("/api/bindpost/v1/scenarios")).json()
    assert listed["scenarios"][-1]["name"] == "own"
    return str(listed["refusal"])


async def test_on_loopback_they_are_run(tmp_path: Path) -> None:
    """The default lets who reaches a web side on loopback run them, and lists the settings' own."""
    async with app_of(tmp_path, lab=Lab(scenarios="mine")) as app:
        assert await refusal(app) == ""


@pytest.mark.parametrize(
    ("from_web", "login", "words"),
    [
        ("loopback", False, "other machines reach this server"),
        ("loopback", True, "other machines reach this server"),
        ("on", False, "without a login"),
        ("on", True, ""),
        ("off", True, "lab.from_web is off"),
    ],
)
async def test_where_others_reach_it(
    tmp_path: Path, from_web: str, login: bool, words: str
) -> None:
    """A web side at all addresses runs them only where it is on, and asks for a login."""
    lab = Lab(scenarios="mine", from_web=from_web)  # type: ignore[arg-type]
    access = WebAccess(users="users") if login else WebAccess()
    options = {"auth": ("jane", "secret")} if login else {}
    async with app_of(tmp_path, "0.0.0.0:0", lab=lab, web_access=access) as app:
        told = await refusal(app, **options)
    assert words in told if words else told == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("q203116.toml", "q203116 is taken"),
        ("stream.toml", "stream is taken"),
        ("Mine.toml", "small letters"),
        ("bad.toml", "title"),
    ],
)
def test_a_bad_scenario_of_the_settings(tmp_path: Path, name: str, words: str) -> None:
    """It is named at the start, not when somebody asks."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text(MINE if name != "bad.toml" else "cause = 'x'\n")

    with pytest.raises(ConfigError, match=words):
        app_of(tmp_path, lab=Lab(scenarios="mine"))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It is named, too."""
    with pytest.raises(ConfigError, match=r"lab\.scenarios: there is no folder"):
        app_of(tmp_path, lab=Lab(scenarios="nowhere"))
