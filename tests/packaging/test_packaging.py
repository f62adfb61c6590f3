"""The table in pyproject.toml, the folders, the links and the wheel are in step."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

MAPPED = ("config", "proxy", "server")
"""The top-level folders that are installed inside `bindpost`."""


def package_folder(checkout: Path, package: str) -> Path:
    """Give the real folder of a package: of `bindpost.server.web`, server/web."""
    top, *rest = package.split(".")
    return checkout.joinpath(*rest) if rest and rest[0] in MAPPED else checkout.joinpath(top, *rest)


def packages_on_disk(checkout: Path) -> set[str]:
    """Name every folder that is a package by its name after installation."""
    found = set()
    for top in ("bindpost", *MAPPED):
        for folder, subfolders, files in os.walk(checkout / top):
            subfolders[:] = [name for name in subfolders if name != "__pycache__"]
            if "__init__.py" in files:
                parts = Path(folder).relative_to(checkout).parts
                found.add(".".join(parts if top == "bindpost" else ("bindpost", *parts)))
    return found


def data_on_disk(folder: Path) -> set[str]:
    """Name the files that are not Python's and belong to this package, not to one inside it."""
    found = set()
    for place, subfolders, files in os.walk(folder):
        subfolders[:] = [
            name
            for name in subfolders
            if name != "__pycache__" and not Path(place, name, "__init__.py").exists()
        ]
        found |= {str(Path(place, name).relative_to(folder)) for name in files}
    links = set(MAPPED) if folder.name == "bindpost" else set()
    return {name for name in found if not name.endswith((".py", ".pyc"))} - links


def test_every_package_is_in_the_table(checkout: Path, project: dict[str, Any]) -> None:
    """A package left out of the table would be left out of the wheel without a word."""
    listed = project["tool"]["setuptools"]["packages"]

    assert sorted(listed) == sorted(packages_on_disk(checkout))


def test_each_mapped_folder_has_its_link(checkout: Path, project: dict[str, Any]) -> None:
    """Each folder of the table has a link in bindpost/, or the text file that stands for one."""
    mapped = project["tool"]["setuptools"]["package-dir"]

    assert mapped == {f"bindpost.{name}": name for name in MAPPED}
    for name in MAPPED:
        link = checkout / "bindpost" / name
        target = os.readlink(link) if link.is_symlink() else link.read_text(encoding="utf-8")
        assert target.strip() == f"../{name}"


def test_package_data_is_complete_and_not_stale(checkout: Path, project: dict[str, Any]) -> None:
    """Every data file of a package is matched by a pattern, and every pattern matches a file."""
    patterns = project["tool"]["setuptools"]["package-data"]
    stale, missed = [], []
    for package in project["tool"]["setuptools"]["packages"]:
        folder = package_folder(checkout, package)
        data = data_on_disk(folder)
        for pattern in patterns.get(package, []):
            matched = set(glob.glob(pattern, root_dir=folder, recursive=True)) & data
            if not matched:
                stale.append(f"{package}: {pattern}")
            data -= matched
        missed += [f"{package}: {name}" for name in sorted(data)]

    assert stale == []
    assert missed == []
    assert set(patterns) <= set(project["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("form", ["links", "text files"])
def test_wheel_holds_what_is_tracked(
    form: str, checkout: Path, tracked_files: list[str], tmp_path: Path
) -> None:
    """The wheel holds the package's tracked files and nothing else, with and without the links."""
    copy = tmp_path / "checkout"
    for name in tracked_files:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(checkout / name, copy / name, follow_symlinks=False)
    links = {f"bindpost/{name}" for name in MAPPED}
    if form == "text files":  # what git makes of a link where it may not make one
        for name in links:
            (copy / name).unlink()
            (copy / name).write_text("../" + name.removeprefix("bindpost/"), encoding="utf-8")

    build = "import setuptools.build_meta, sys; setuptools.build_meta.build_wheel(sys.argv[1])"
    result = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)],
        cwd=copy,
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        content = set(archive.namelist())
    metadata = {name for name in content if name.split("/")[0].endswith(".dist-info")}
    installed = {name for name in tracked_files if name.startswith("bindpost/")} - links | {
        f"bindpost/{name}" for name in tracked_files if name.split("/")[0] in MAPPED
    }

    assert content - metadata == installed
    assert metadata


def test_no_file_names_a_registry(checkout: Path, tracked_files: list[str]) -> None:
    """No tracked file ties the project to a package registry's host, or locks addresses in."""
    hosts = [
        f"{name}.{domain}".encode()
        for name, domain in [
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("npmjs", "org"),
            ("npmjs", "com"),
            ("yarnpkg", "com"),
            ("crates", "io"),
            ("proxy.golang", "org"),
            ("repo.maven.apache", "org"),
            ("repo1.maven", "org"),
            ("rubygems", "org"),
            ("deb.debian", "org"),
        ]
    ]
    locks = {"uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock", "yarn.lock", "package-lock.json"}
    files = [checkout / name for name in tracked_files]
    content = {file: file.read_bytes() for file in files if not file.is_symlink()}

    naming = [str(file) for file, data in content.items() if any(host in data for host in hosts)]

    assert naming == []
    assert [str(file) for file in files if file.name in locks] == []
