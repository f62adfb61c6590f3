"""What bindpost depends on is pinned with hashes, and each dependency has its reason."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PARTS = ("runtime", "test", "fuzz", "clients", "suites")
TOGETHER = ("runtime", "test", "fuzz", "suites")
CLIENTS = Path("tests", "interop", "clients")


def read_pins(checkout: Path, part: str) -> list[str]:
    """Give the entries of a constraints file, each on one line, comments left out."""
    text = (checkout / "constraints" / f"{part}.txt").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text))
    return [line for line in joined.splitlines() if line.strip()]


def versions(checkout: Path, part: str) -> dict[str, set[str]]:
    """Give the pinned versions by canonical name; more than one where platforms differ."""
    pinned: dict[str, set[str]] = {}
    for line in read_pins(checkout, part):
        name, version = re.split("==| ", line)[:2]
        pinned.setdefault(canonicalize_name(name), set()).add(version)
    return pinned


def required(project: dict[str, Any], part: str) -> list[Requirement]:
    """Give what pyproject.toml asks for in this part."""
    if part in project["dependency-groups"]:
        return [Requirement(line) for line in project["dependency-groups"][part]]
    extras = project["project"].get("optional-dependencies", {}).values()
    lines = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    return [Requirement(line) for line in lines + [line for extra in extras for line in extra]]


@pytest.mark.parametrize("part", PARTS)
def test_each_line_is_pinned_with_hashes(part: str, checkout: Path) -> None:
    """A line is one distribution at one version with its hashes: no address, path or option."""
    form = re.compile(
        r"[a-z0-9][a-z0-9.-]*==[0-9][0-9a-z.!+]* ( ?;[^:/@]*?)?( +--hash=sha256:[0-9a-f]{64})+"
    )

    odd = [line for line in read_pins(checkout, part) if not form.fullmatch(line)]

    assert odd == []


@pytest.mark.parametrize("part", PARTS)
def test_each_dependency_is_pinned_as_asked_for(
    part: str, checkout: Path, project: dict[str, Any]
) -> None:
    """Each dependency of pyproject.toml is pinned, at a version that it allows."""
    pinned = versions(checkout, part)

    unmet = [
        str(requirement)
        for requirement in required(project, part)
        if not (found := pinned.get(canonicalize_name(requirement.name)))
        or not all(requirement.specifier.contains(version) for version in found)
    ]

    assert unmet == []


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(TOGETHER, 2)))
def test_files_pin_the_same_versions(one: str, other: str, checkout: Path) -> None:
    """These files are installed into one environment, so what they share is the same."""
    first, second = versions(checkout, one), versions(checkout, other)

    assert {n: first[n] for n in first if n in second} == {
        n: second[n] for n in second if n in first
    }


def test_each_dependency_has_its_reason(checkout: Path, project: dict[str, Any]) -> None:
    """docs/dependencies.md has an entry for each dependency, npm and Debian package."""
    text = (checkout / "docs" / "dependencies.md").read_text(encoding="utf-8")
    explained = {
        canonicalize_name(name) for name in re.findall(r"(?m)^- \*\*(\S+)\*\*: \S.{10}", text)
    }
    debian = (checkout / "scripts" / "lib" / "debian-packages.txt").read_text(encoding="utf-8")
    npm = json.loads((checkout / CLIENTS / "package.json").read_text(encoding="utf-8"))
    names = [*re.findall(r"(?m)^\w\S*", debian), *npm["dependencies"]]
    used = {canonicalize_name(r.name) for part in PARTS for r in required(project, part)} | {
        canonicalize_name(name) for name in names
    }

    assert used - explained == set()
    assert explained - used == set()


def test_aiosmtpd_is_the_one_that_the_engine_knows(project: dict[str, Any]) -> None:
    """The fast engine reaches into aiosmtpd, so another minor version has to be looked at first."""
    asked = {
        Requirement(line).name: Requirement(line) for line in project["project"]["dependencies"]
    }

    assert set(map(str, asked["aiosmtpd"].specifier)) == {">=1.4.6", "<1.5"}


def test_npm_packages_are_pinned_by_content(checkout: Path) -> None:
    """The lock of the npm packages has a version and a digest of each, and no address."""
    wanted = json.loads((checkout / CLIENTS / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((checkout / "constraints" / "clients-npm.json").read_text(encoding="utf-8"))
    root = lock["packages"].pop("")
    locked = {name.removeprefix("node_modules/"): one for name, one in lock["packages"].items()}

    assert root["dependencies"] == wanted["dependencies"]
    assert {name: locked[name]["version"] for name in wanted["dependencies"]} == root[
        "dependencies"
    ]
    assert all(one["integrity"].startswith("sha512-") for one in locked.values())
    assert not any("resolved" in one for one in locked.values())
