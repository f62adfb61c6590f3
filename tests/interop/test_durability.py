"""What was acknowledged is kept: under kill -9, and when the disk is full."""

import os
import random
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bindpost.testing import Load, Serve, check_kept


@pytest.mark.parametrize("rounds", [6, pytest.param(50, marks=pytest.mark.long)])
def test_kill_9_under_load(serve: Serve, rounds: int) -> None:
    """Killed again and again under load: each acknowledged message is there, whole, none twice."""
    chance = random.Random(203116)
    acknowledged: dict[str, bytes] = {}
    for turn in range(rounds):
        serving = serve().wait_ready()
        load = Load(serving.smtp, first=turn * 1_000_000)
        load.wait_for_acknowledged(chance.randint(1, 60))
        serving.process.kill()
        load.wait_end()
        serving.process.wait(30)
        acknowledged |= load.acknowledged

    assert acknowledged
    check_kept(acknowledged, serve().wait_ready().client)


@pytest.mark.parametrize(
    ("rounds", "seed"),
    [(2, 0), *(pytest.param(10, seed, marks=pytest.mark.long) for seed in range(1, 6))],
)
def test_kill_9_under_load_of_large_messages(
    serve: Serve, tmp_path: Path, rounds: int, seed: int
) -> None:
    """Killed again and again while segments are written: none lost, none twice, bytes equal."""
    chance = random.Random(seed)
    acknowledged: dict[str, bytes] = {}
    for turn in range(rounds):
        serving = serve().wait_ready()
        load = Load(serving.smtp, first=turn * 1_000_000, senders=8, sizes=(0, 70_000, 300_000))
        load.wait_for_acknowledged(chance.randint(1, 60))
        serving.process.kill()
        load.wait_end()
        serving.process.wait(30)
        acknowledged |= load.acknowledged

    assert list((tmp_path / "data" / "segments").iterdir())
    check_kept(acknowledged, serve().wait_ready().client)


def test_data_folder_that_vanishes_under_load(serve: Serve, tmp_path: Path) -> None:
    """While the data folder is away nothing is acknowledged; what was, is where it has gone."""
    data, away = tmp_path / "data", tmp_path / "away"
    serving = serve().wait_ready()
    load = Load(serving.smtp, sizes=(0, 300_000))
    load.wait_for_acknowledged(20)

    data.rename(away)
    load.wait_end()  # each sender has been refused

    with smtplib.SMTP(*serving.smtp) as smtp, pytest.raises(smtplib.SMTPDataError, match="451"):
        smtp.sendmail("a@b.test", ["c@d.test"], "Subject: refused\r\n\r\n")
    away.rename(data)
    with smtplib.SMTP(*serving.smtp) as smtp:
        smtp.sendmail("a@b.test", ["c@d.test"], "Subject: back\r\n\r\n")
    check_kept(load.acknowledged | {"back": b"Subject: back\r\n\r\n"}, serving.client)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a file system of 24 MiB, of which the store keeps 16 free."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mount, as root, is needed for a small disk")
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip("mount of a tmpfs is not permitted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(smtp: smtplib.SMTP, acknowledged: list[str]) -> None:
    """Send numbered messages of 50 kB until one is refused."""
    for number in range(1000):
        body = f"Subject: {number}\r\n\r\n{'x' * 50_000}\r\n"
        smtp.sendmail("a@b.test", ["c@d.test"], body)
        acknowledged.append(str(number))


def test_full_disk(serve: Serve, small_disk: Path) -> None:
    """A full disk gives 452; nothing acknowledged is lost; with room again mail is taken."""
    serving = serve("--data", str(small_disk / "data")).wait_ready()
    acknowledged: list[str] = []
    with smtplib.SMTP(*serving.smtp) as smtp:
        with pytest.raises(smtplib.SMTPDataError, match="452"):
            fill(smtp, acknowledged)
        assert serving.wait_for(lambda record: record.get("EventID") == 3018)

        client = serving.client
        assert sorted(row.fields.subject for row in client.messages(limit=0)) == sorted(
            acknowledged
        )
        client.delete([row.id for row in client.messages(limit=0)])
        smtp.sendmail("a@b.test", ["c@d.test"], "Subject: again\r\n\r\n")

    assert [row.fields.subject for row in serving.client.messages()] == ["again"]
    assert serving.stop() == 0
