"""What is kept of scenarios that were run from the web side."""

from __future__ import annotations

from pathlib import Path

from bindpost.server.findings.result import ScenarioResult
from bindpost.server.lab.archive import Archive


def result(name: str, seconds: float = 1.0) -> ScenarioResult:
    """Give a result."""
    return ScenarioResult(name=name, title="A case", outcome="held", seconds=seconds)


def test_the_newest_are_kept(tmp_path: Path) -> None:
    """The oldest run goes when a new one begins; what isn't a run stays."""
    (tmp_path / "mine").mkdir()
    archive = Archive(tmp_path, keep=2)

    folders = [archive.begin("case") for _ in range(4)]

    assert [folder.exists() for folder in folders] == [False, False, True, True]
    assert (tmp_path / "mine").exists()
    assert folders[-1].stat().st_mode & 0o777 == 0o700


def test_the_newest_of_each_is_found_again(tmp_path: Path) -> None:
    """Results are read by another archive; one that did not come to its end is passed over."""
    archive = Archive(tmp_path, keep=9)
    for name, seconds in (("a", 1.0), ("b", 2.0), ("a", 3.0)):
        archive.finish(archive.begin(name), result(name, seconds))
    (archive.begin("a") / "results.json").write_text("[{")

    newest = Archive(tmp_path, keep=9).newest()

    assert {name: kept.result.seconds for name, kept in newest.items()} == {"a": 3.0, "b": 2.0}


def test_without_a_folder_it_is_temporary() -> None:
    """What is kept nowhere goes with the server."""
    archive = Archive(None, keep=2)
    folder = archive.begin("case")
    archive.finish(folder, result("case"))
    assert set(archive.newest()) == {"case"}

    archive.close()

    assert not folder.parent.exists()
