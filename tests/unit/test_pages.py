"""The generated part of a page: put between two markers, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from bindpost.pages import Part

PART = Part(page="page.md", begin="<!-- begin -->", end="<!-- end -->", make=lambda: "\nnew\n\n")
OLD = "# Page\n\n<!-- begin -->\nold\n<!-- end -->\n\nMore, <!-- end --> of it.\n"
NEW = "# Page\n\n<!-- begin -->\n\nnew\n\n<!-- end -->\n\nMore, <!-- end --> of it.\n"


@pytest.mark.parametrize("page", [OLD, NEW], ids=["old", "new"])
def test_what_stands_between_the_markers_is_made_anew(page: str) -> None:
    """What is outside stays as it is; a page that is up to date stays whole."""
    assert PART.renew(page) == NEW


@pytest.mark.parametrize(
    ("page", "absent"),
    [
        ("", "begin"),
        ("<!-- begin -->", "end"),
        ("<!-- end -->", "begin"),
        ("<!-- end --> <!-- begin -->", "end"),
    ],
)
def test_a_page_without_markers_is_refused(page: str, absent: str) -> None:
    """The error names the marker that is missing."""
    with pytest.raises(ValueError, match=f"no line <!-- {absent} -->"):
        PART.renew(page)


def test_files_are_renewed(tmp_path: Path) -> None:
    """The program's arguments are the files."""
    files = [tmp_path / "a.md", tmp_path / "b.md"]
    for file in files:
        file.write_text(OLD)

    PART.main([str(file) for file in files])

    assert [file.read_text() for file in files] == [NEW, NEW]


def test_without_a_file_the_page_is_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without arguments it is the part's own page, from the top of a checkout."""
    monkeypatch.chdir(tmp_path)
    Path("page.md").write_text(OLD)

    PART.main([])

    assert Path("page.md").read_text() == NEW


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"", "no line <!-- begin"), (b"\xff", "decode")]
)
def test_a_file_that_cannot_be_renewed(tmp_path: Path, content: bytes | None, said: str) -> None:
    """The process ends with the file's name and the cause, and the file stays as it is."""
    file = tmp_path / "page.md"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SystemExit, match=f"page.md is left as it was: .*{said}"):
        PART.main([str(file)])

    assert content is None or file.read_bytes() == content
