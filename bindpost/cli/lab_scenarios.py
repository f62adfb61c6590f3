"""`bindpost lab list, show, run`: the scenarios."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from bindpost.config.scenario_file import ScenarioFile, load, names
from bindpost.errors import EXIT_OK, ConfigError

from .terminal import printable

if TYPE_CHECKING:
    from bindpost.config.lab_hosts import Hosts
    from bindpost.server.findings.progress import Progress
    from bindpost.server.findings.result import ScenarioResult

EXIT_FAILED: Final = 1
"""A scenario did not meet its expectations, or none could be run."""
EXIT_TERMINATED: Final = 128 + signal.SIGTERM
"""A shell's exit code for a command that SIGTERM ended."""
JOBS: Final = 4
"""Scenarios at a time: most of a run is waiting."""
_MARKS: Final = {"held": "ok", "failed": "FAILED", "skipped": "skipped"}


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """List the scenarios that bindpost brings."""
    files = [load(name) for name in names()]
    if as_json:
        rows = [
            {
                "name": file.name,
                "title": file.scenario.title,
                "articles": file.scenario.articles,
                "cause": file.scenario.cause,
            }
            for file in files
        ]
        click.echo(msgspec.json.format(msgspec.json.encode(rows)))
        return
    width = max(len(file.name) for file in files)
    for file in files:
        click.echo(f"{file.name:{width}}  {file.scenario.title}")


@click.command()
@click.argument("name", metavar="NAME|FILE.toml")
@click.option("--toml", "as_toml", is_flag=True, help="Print the file itself, to start from.")
def show(*, name: str, as_toml: bool) -> None:
    """Tell a scenario: its story, its phases, what is expected of each."""
    from bindpost.server.lab.telling import tell

    file = load(name)
    if as_toml:
        click.echo(file.text, nl=False)
        return
    for line in tell(file):
        click.echo(printable(line))


@click.command()
@click.argument("chosen", metavar="[NAME|FILE.toml]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Run all that bindpost brings.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the evidence, new or empty; else a new one among the temporary files.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The HTML report; else report.html in the folder of the evidence.",
)
@click.option(
    "--hosts",
    "hosts_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Machines to run on, see docs/lab.md; else three loopback addresses of this one.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=JOBS, show_default=True, help="Runs at a time."
)
def run(
    *,
    chosen: tuple[str, ...],
    everything: bool,
    as_json: bool,
    keep: Path | None,
    report: Path | None,
    hosts_file: Path | None,
    jobs: int,
) -> None:
    """
    Run scenarios: cause each fault, look at it from all sides, cure it, look again.

    Exit status: 0 when every scenario met its expectations, 1 when one did not or none could be
    run, 2 or 78 when a name, an option or a file is wrong.
    """
    from bindpost.config.lab_hosts import ONE_MACHINE, load_hosts
    from bindpost.server.lab.report import write_report

    if everything == bool(chosen):
        raise click.UsageError("Give either the names of scenarios or --all.")
    files = _load_all(names() if everything else chosen)
    hosts = load_hosts(hosts_file) if hosts_file else ONE_MACHINE
    folder = _evidence(keep)
    report = (report or folder / "report.html").absolute()
    if not report.parent.is_dir():
        raise ConfigError(str(report.parent), "is no folder for the report", origin="--report")
    try:
        results = asyncio.run(_run(files, hosts, folder, jobs))
    except asyncio.CancelledError:
        sys.exit(EXIT_TERMINATED)
    write_report(report, results)
    (folder / "results.json").write_bytes(_json(results))
    if as_json:
        click.echo(_json(results))
    else:
        _print(results)
        click.echo(f"\nevidence  {folder}\nreport    {report}")
    held = {result.outcome for result in results} <= {"held", "skipped"}
    ran = any(result.outcome != "skipped" for result in results)
    sys.exit(EXIT_OK if held and ran else EXIT_FAILED)


async def _run(
    files: Sequence[ScenarioFile], hosts: Hosts, folder: Path, jobs: int
) -> list[ScenarioResult]:
    """Run them; SIGTERM ends everything, as Ctrl-C does."""
    from bindpost.server.lab.bench import run_all

    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)

    def watch(progress: Progress, so_far: ScenarioResult) -> None:
        if progress.kind == "verdict" or so_far.outcome == "skipped":
            words = " ".join(filter(None, (progress.phase, progress.words)))
            click.echo(printable(f"{progress.scenario}: {words}"), err=True)

    return await run_all(files, hosts, folder, jobs=jobs, watch=watch)


def _load_all(chosen: Sequence[str]) -> list[ScenarioFile]:
    files = [load(name) for name in chosen]
    for index, file in enumerate(files):
        if file.name in {other.name for other in files[:index]}:
            raise click.UsageError(f"{file.name} is named twice.")
    return files


def _evidence(keep: Path | None) -> Path:
    """Make the folder for the evidence."""
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="bindpost-lab-"))
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise click.UsageError(f"--keep: {keep} is not empty; name a new folder")
    except OSError as error:
        raise ConfigError(str(keep), f"no evidence can be kept there: {error.strerror}") from None
    return keep.absolute()


def _json(results: Sequence[ScenarioResult]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(results))


def _print(results: Sequence[ScenarioResult]) -> None:
    """Print a line for each scenario, and what was expected and seen where they differ."""
    width = max(len(result.name) for result in results)
    for result in results:
        why = f" ({result.reason})" if result.reason else ""
        took = f" ({result.seconds:.1f} s)" if result.outcome != "skipped" else ""
        click.echo(
            printable(
                f"{_MARKS[result.outcome]:7} {result.name:{width}}  {result.title}{why}{took}"
            )
        )
    for result in results:
        if result.outcome == "failed":
            click.echo()
            for line in _differences(result):
                click.echo(printable(line))


def _differences(result: ScenarioResult) -> list[str]:
    """Give the table of expectation and observation of a scenario that failed."""
    rows = []
    for phase in result.phases:
        for check in phase.checks:
            mark = "" if check.held else "<--"
            rows.append((phase.name, check.what, check.expected, check.observed, mark))
        if phase.trouble:
            rows.append((phase.name, "trouble", "", phase.trouble, "<--"))
    head = ("phase", "what", "expected", "observed", "")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(4)]
    return [
        f"{result.name}: {result.title}",
        *(
            "  ".join(
                f"{cell:{width}}" for cell, width in zip(row, (*widths, 3), strict=True)
            ).rstrip()
            for row in (head, *rows)
        ),
    ]
