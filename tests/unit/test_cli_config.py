"""The command line's frame, and `bindpost config`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from bindpost import __version__
from bindpost.cli import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, main
from bindpost.config.load import load
from bindpost.config.model import Settings
from bindpost.errors import EXIT_CONFIG, EXIT_UNAVAILABLE, EXIT_USAGE, BindError, BindpostError

Run = Callable[..., Result]

IMPORTED = """
import sys
from bindpost.cli import main
main({arguments!r}, standalone_mode=False)
loaded = [name for name in sys.modules if name.startswith({unwanted!r})]
sys.exit(f"imported: {{loaded}}" if loaded else 0)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run bindpost in an empty folder, with nothing about it in the environment."""
    monkeypatch.chdir(tmp_path)

    def in_process(*arguments: str, **options: str) -> Result:
        return CliRunner(env=options).invoke(main, arguments)

    return in_process


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Have `bindpost config` raise something."""

    def arrange(error: BaseException) -> None:
        @click.command()
        def command() -> None:
            raise error

        monkeypatch.setattr("bindpost.cli.config.config", command)

    return arrange


def test_help_names_every_command(run: Run) -> None:
    """Each command has its line, made without importing it."""
    output = run("--help").output

    assert [name for name in ("serve", "check", "mail", "config") if f"\n  {name} " in output] == [
        "serve",
        "check",
        "mail",
        "config",
    ]


def test_version(run: Run) -> None:
    """--version says name and number, nothing else."""
    assert run("--version").output == f"bindpost {__version__}\n"


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    """Misuse exits with 2."""
    assert run("serv").exit_code == EXIT_USAGE


def test_an_unknown_choice_is_a_usage_error(run: Run) -> None:
    """A flag with a few values names them."""
    result = run("config", "show", "--log", "xml")

    assert result.exit_code == EXIT_USAGE
    assert "'console', 'json'" in result.stderr


def test_a_bad_setting_is_one_line_and_78(run: Run) -> None:
    """A ConfigError is a line on standard error, and nothing on standard output."""
    result = run("config", "show", "--web", "on")

    assert result.exit_code == EXIT_CONFIG
    assert result.stdout == ""
    assert result.stderr == (
        "bindpost: web: 'on' is not HOST:PORT, [IPV6]:PORT or unix:/path, or \"off\" (from --web)\n"
    )


def test_a_failed_bind_is_one_line_with_its_hint_and_69(
    run: Run, failing: Callable[[BaseException], None]
) -> None:
    """A BindError tells what to do, too."""
    failing(
        BindError(
            10048, endpoint="e:1", path="direct:", hop="bind", detail="in use", hint="stop it"
        )
    )

    result = run("config")

    assert result.exit_code == EXIT_UNAVAILABLE
    assert result.stderr == "bindpost: bind e:1 through direct: in use (10048); stop it\n"


def test_an_error_of_several_lines_is_put_on_one(
    run: Run, failing: Callable[[BaseException], None]
) -> None:
    """Whatever a message has in it, one error is one line."""
    failing(BindpostError("first\n  second"))

    assert run("config").stderr == "bindpost: first second\n"


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), EXIT_INTERRUPTED), (click.Abort(), EXIT_INTERRUPTED)]
)
def test_ctrl_c_ends_quietly(
    run: Run, failing: Callable[[BaseException], None], error: BaseException, code: int
) -> None:
    """An interrupt is no error to be talked about."""
    failing(error)

    result = run("config")

    assert (result.exit_code, result.stderr.strip()) == (code, "")


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    """`bindpost config show | head -1` prints a line and no complaint."""
    with subprocess.Popen(
        [sys.executable, "-m", "bindpost", "config", "init"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (EXIT_BROKEN_PIPE, b"")


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], ("bindpost.server", "bindpost.proxy", "bindpost.config", "asyncio")),
        (["config", "show"], ("bindpost.server", "bindpost.proxy", "asyncio", "structlog")),
    ],
)
def test_what_is_not_needed_is_not_imported(
    tmp_path: Path, arguments: list[str], unwanted: tuple[str, ...]
) -> None:
    """Help and settings come without the server's code."""
    program = IMPORTED.format(arguments=arguments, unwanted=unwanted)

    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stderr) == (0, "")


def test_show_tells_values_and_origins(run: Run, tmp_path: Path) -> None:
    """Every setting has a line with its value and where it came from."""
    (tmp_path / "lab.toml").write_text('[[listener]]\nendpoint = "127.0.0.1:25"')

    lines = run(
        "config", "show", "--config", "lab.toml", "--web", "off", BINDPOST_LOG="json"
    ).stdout.splitlines()

    assert 'listener[0].endpoint = "127.0.0.1:25"  # lab.toml:2' in lines
    assert 'web = "off"  # --web' in lines
    assert 'log = "json"  # BINDPOST_LOG' in lines
    assert "ims.DisableAuth = false  # default" in lines


def test_show_as_json(run: Run, tmp_path: Path) -> None:
    """The same as one JSON document."""
    document = json.loads(run("config", "show", "--json", "--listen", "[::1]:0").stdout)

    assert document["folder"] == str(tmp_path)
    assert document["settings"]["listener[0].endpoint"] == {
        "value": "[::1]:0",
        "origin": "--listen",
    }
    assert document["settings"]["ims.RelayDenyList"] == {"value": [], "origin": "default"}


def test_show_hides_passwords(run: Run) -> None:
    """A URL's password is not printed."""
    output = run("config", "show", "--via", "winsock://me:secret@10.0.0.1").stdout

    assert 'listener[0].via = "winsock://me:***@10.0.0.1"' in output
    assert "secret" not in output


def test_the_schema_is_that_of_the_settings(run: Run) -> None:
    """The schema is JSON, and knows the tables."""
    schema = json.loads(run("config", "schema").stdout)

    assert {"Settings", "Ims", "WinsockPath"} <= set(schema["$defs"])


def test_init_changes_nothing_as_it_stands(run: Run, tmp_path: Path) -> None:
    """The file to start from holds the defaults and sets none of them."""
    (tmp_path / "new.toml").write_text(run("config", "init").stdout)

    loaded = load(file=tmp_path / "new.toml", environ={})

    assert loaded.settings == Settings()
    assert dict(loaded.origins) == {}


def test_init_uncommented_is_the_defaults(run: Run, tmp_path: Path) -> None:
    """With every setting's # taken away, the file is right and says what holds anyway."""
    text = re.sub(r"^#(?! )", "", run("config", "init").stdout, flags=re.MULTILINE)
    head, paths, tail = text.partition("# A bind path through")
    tail = tail[tail.index("# The Internet Mail Service's own knobs") :]
    tail, mailboxes, webhooks = tail.partition("# A part of the inbox")  # none by default
    (tmp_path / "new.toml").write_text(head + tail)

    loaded = load(file=tmp_path / "new.toml", environ={})

    assert paths
    assert mailboxes
    assert "# A URL that is told of messages" in webhooks
    assert loaded.settings == Settings()
    assert "listener[0].endpoint" in loaded.origins


def test_only_given_flags_are_passed_on(run: Run) -> None:
    """A flag that was not given leaves the environment its say."""
    output = run("config", "show", BINDPOST_HOSTNAME="mx.example").stdout

    assert 'hostname = "mx.example"  # BINDPOST_HOSTNAME' in output


def test_show_hides_the_secrets_of_webhooks(run: Run, tmp_path: Path) -> None:
    """Who looks over a shoulder can't sign."""
    (tmp_path / "bindpost.toml").write_text(
        '[[webhook]]\nname = "ci"\nurl = "http://localhost/"\nsecret = "correct horse"\n'
    )

    shown = run("config", "show").stdout

    assert 'webhook[0].secret = "***"' in shown
    assert "horse" not in shown
