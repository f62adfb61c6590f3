"""What loading says of settings that are wrong: key, value, origin and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bindpost.config.lines import line_numbers
from bindpost.config.load import load
from bindpost.config.via import FORMS
from bindpost.errors import ConfigError

KNOWN = ", ".join(FORMS.values())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(folder: Path) -> Callable[..., ConfigError]:
    """Give the error that loading `conf/lab.toml` with the text given ends with."""

    def error_of(
        text: str = "", environ: Mapping[str, str] | None = None, **flags: object
    ) -> ConfigError:
        file = folder / "conf" / "lab.toml"
        file.parent.mkdir()
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            load(file=Path("conf/lab.toml"), flags=flags, environ=environ or {})
        return caught.value

    return error_of


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[ims]\nDisableAuht = true",
            "ims.DisableAuht: there is no such setting (from conf/lab.toml:2); "
            "did you mean ims.DisableAuth?",
        ),
        (
            'node = "a, b"',
            "node: expected a word without a comma, of up to 64 characters, "
            'got "a, b" (from conf/lab.toml:1)',
        ),
        (
            "message_size = 3",
            "message_size: there is no such setting (from conf/lab.toml:1); "
            "did you mean limits.message_size?",
        ),
        (
            "qqq = 3",
            "qqq: there is no such setting (from conf/lab.toml:1); "
            "`bindpost config init` prints every setting there is",
        ),
        (
            '"x y" = 3',
            '"x y": there is no such setting (from conf/lab.toml:1); '
            "`bindpost config init` prints every setting there is",
        ),
        (
            '[path.x]\ntype = "direct"\nserver = "10.0.0.1"',
            "path.x.server: there is no such setting (from conf/lab.toml:3); "
            "this kind of path has: type",
        ),
        (
            '[ims]\nDisableAuth = "true"',
            'ims.DisableAuth: expected true or false, got "true" (from conf/lab.toml:2)',
        ),
        (
            "[limits]\nsessions = 0",
            "limits.sessions: expected a whole number of 1 or more, got 0 (from conf/lab.toml:2)",
        ),
        (
            '[[fault]]\nstage = "MAIL"\naction = "reply"\nenhanced = "4.7"',
            'fault[0].enhanced: expected an enhanced code such as 4.7.1, got "4.7" '
            "(from conf/lab.toml:4)",
        ),
        (
            'node = "a,b"',
            "node: expected a word without a comma, of up to 64 characters, "
            'got "a,b" (from conf/lab.toml:1)',
        ),
        (
            "[ims]\nRelayFlags = 16",
            "ims.RelayFlags: expected a whole number from 0 to 15, got 16 (from conf/lab.toml:2)",
        ),
        (
            '[path.x]\ntype = "winsock"\ninterval = 0',
            "path.x.interval: expected a number above 0 and up to 60, got 0 (from conf/lab.toml:3)",
        ),
        (
            "[limits]\ndrain = nan",
            "limits.drain: expected a number of 0 or more, got nan, which is out of range "
            "(from conf/lab.toml:2)",
        ),
        (
            'log = "xml"',
            'log: expected one of "console", "json", got "xml" (from conf/lab.toml:1)',
        ),
        (
            "hostname = 2020-01-01",
            "hostname: expected a string, got 2020-01-01 (from conf/lab.toml:1)",
        ),
        (
            'hostname = "a\\u0000b"',
            'hostname: "a\\u0000b" has a control character in it (from conf/lab.toml:1)',
        ),
        ("ims = 3", "ims: expected a table, got 3 (from conf/lab.toml:1)"),
        (
            '[listener]\nendpoint = "127.0.0.1:25"',
            "listener: expected [[listener]] tables, got a table (from conf/lab.toml:1)",
        ),
        (
            'listener = ["127.0.0.1:25"]',
            "listener: expected [[listener]] tables, got a list (from conf/lab.toml:1)",
        ),
        (
            '[[listener]]\nvia = "direct:"',
            'listener[0].endpoint: is missing; it must be an endpoint such as "127.0.0.1:1025" '
            "(from conf/lab.toml:1)",
        ),
        (
            'listener = [{endpoint = "nowhere"}]',
            "listener[0].endpoint: 'nowhere' is not HOST:PORT, [IPV6]:PORT or unix:/path "
            "(from conf/lab.toml:1)",
        ),
        (
            'web = "on"',
            "web: 'on' is not HOST:PORT, [IPV6]:PORT or unix:/path, or \"off\" "
            "(from conf/lab.toml:1)",
        ),
        (
            "[path]\nx = 3",
            "path.x: expected a table, got 3 (from conf/lab.toml:2)",
        ),
        (
            '[path.x]\nserver = "10.0.0.1"',
            'path.x.type: is missing; it must be one of "winsock", "socks", "ssh", "direct" '
            "(from conf/lab.toml:1)",
        ),
        (
            '[path."x.y"]\ntype = "sock"',
            'path."x.y".type: expected one of "winsock", "socks", "ssh", "direct", got "sock" '
            "(from conf/lab.toml:2)",
        ),
        (
            '[ims]\nAcceptHosts = ["10.0.0.1", 7]',
            "ims.AcceptHosts: expected a list of strings, got a list with 7 in it "
            "(from conf/lab.toml:2)",
        ),
        (
            '[[listener]]\nendpoint = "127.0.0.1:25"\nvia = "lab-prxy"\n'
            '[path.lab-proxy]\ntype = "direct"',
            'listener[0].via: "lab-prxy" is no known bind path; known: '
            f'{KNOWN}, [path.lab-proxy]; did you mean "lab-proxy"? '
            "(from conf/lab.toml:3)",
        ),
        ("log", "conf/lab.toml: not TOML: Expected '=' after a key in a key/value pair"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(
    refused: Callable[..., ConfigError], text: str, message: str
) -> None:
    """The message names key, value, line and what to do."""
    assert str(refused(text)).startswith(message)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"BINDPOST_IMS_DISABLE_AUTH": "1"},
            "BINDPOST_IMS_DISABLE_AUTH: there is no such setting (from the environment); "
            "did you mean BINDPOST_IMS__DISABLE_AUTH?",
        ),
        (
            {"BINDPOST_CONFI": "x"},
            "BINDPOST_CONFI: there is no such setting (from the environment); "
            "did you mean BINDPOST_CONFIG?",
        ),
        (
            {"BINDPOST_LISTENER__0__VIA": "direct:"},
            "BINDPOST_LISTENER__0__VIA: there is no such setting (from the environment); "
            "use BINDPOST_LISTEN and BINDPOST_VIA, or [[listener]] in the file",
        ),
        (
            {"BINDPOST_ZZZZZZZZZZZZZZZZZZZZ": "1"},
            "BINDPOST_ZZZZZZZZZZZZZZZZZZZZ: there is no such setting (from the environment); "
            "docs/settings.md lists them all",
        ),
        ({"BINDPOST_PORT": "25"}, "BINDPOST_PORT: there is no such setting"),
        ({"BINDPOST_IMS": "1"}, "BINDPOST_IMS: there is no such setting"),
        ({"BINDPOST_PATH__LAB": "1"}, "BINDPOST_PATH__LAB: there is no such setting"),
        (
            {"BINDPOST_IMS__DISABLE_AUTH": "maybe"},
            'ims.DisableAuth: expected true or false, got "maybe" '
            "(from BINDPOST_IMS__DISABLE_AUTH)",
        ),
        (
            {"BINDPOST_LIMITS__SESSIONS": "1e3"},
            'limits.sessions: expected a whole number of 1 or more, got "1e3" '
            "(from BINDPOST_LIMITS__SESSIONS)",
        ),
        ({"BINDPOST_LISTEN": " ,"}, "listener: no endpoint is named (from BINDPOST_LISTEN)"),
        (
            {"BINDPOST_HOSTNAME": "\udcff"},
            "hostname: '\\udcff' is not UTF-8 (from BINDPOST_HOSTNAME)",
        ),
        (
            {"BINDPOST_PATH__LAB__TYPE": "sock"},
            'path.lab.type: expected one of "winsock", "socks", "ssh", "direct", got "sock" '
            "(from BINDPOST_PATH__LAB__TYPE)",
        ),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(
    refused: Callable[..., ConfigError], environ: Mapping[str, str], message: str
) -> None:
    """The message names the variable."""
    assert str(refused("", environ=environ)).startswith(message)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"nope": 1}, "--nope: there is no such flag; flags: web, data"),
        (
            {"listen": ["127.0.0.1:1", "::1:25"]},
            "listener[1].endpoint: '::1:25': write an IPv6 address in brackets, as in "
            "[::1]:1025 (from --listen)",
        ),
        (
            {"via": "sox5://me:secret@10.0.0.1"},
            'listener[0].via: "sox5://me:***@10.0.0.1" is no known scheme of a bind path; '
            f"known: {KNOWN} (from --via)",
        ),
        (
            {"via": "direct://10.0.0.1"},
            'listener[0].via: "direct://10.0.0.1": direct: takes nothing after the colon '
            "(from --via)",
        ),
        (
            {"via": "direct"},
            'listener[0].via: "direct" is no known bind path; known: '
            f'{KNOWN}; did you mean "direct:"? (from --via)',
        ),
        (
            {"hostname": 3},
            "hostname: expected a string, got 3 (from --hostname)",
        ),
    ],
)
def test_what_is_wrong_in_the_flags_is_named(
    refused: Callable[..., ConfigError], flags: dict[str, object], message: str
) -> None:
    """The message names the flag, and hides passwords."""
    assert str(refused("", **flags)).startswith(message)


def test_the_column_is_named_too(refused: Callable[..., ConfigError]) -> None:
    """A file that is not TOML is told with line and column."""
    assert "(at line 2, column 7)" in str(refused('log = "json"\nweb = ='))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"log = 1\n\xff\xfe", "not UTF-8: byte 0xff in line 2"),
        (b"x = " + b"[" * 5000, "nested too deeply"),
        (b"x = " + b"1" * 5000, "not TOML: "),
        (b"#" * (1024 * 1024 + 1), "is larger than 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_configuration(folder: Path, data: bytes, complaint: str) -> None:
    """Whatever bytes a file has, it is refused in a sentence that names it."""
    (folder / "x.toml").write_bytes(data)

    with pytest.raises(ConfigError) as caught:
        load(file=Path("x.toml"), environ={})

    assert caught.value.key == "x.toml"
    assert complaint in caught.value.problem


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nowhere.toml", "No such file"), (".", "Is a directory"), ("a\0b", "null byte")],
)
def test_a_file_that_cannot_be_read(name: str, reason: str) -> None:
    """The file, the reason and who named it are told."""
    with pytest.raises(ConfigError) as caught:
        load(environ={"BINDPOST_CONFIG": name})

    assert caught.value.key == name
    assert reason in caught.value.problem
    assert caught.value.origin == "BINDPOST_CONFIG"


def test_a_current_folder_that_is_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even without a current folder there is a sentence and no traceback."""
    gone = folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(ConfigError, match="current folder: cannot be used"):
        load(environ={})


# Lines


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('hostname = """\nlog = 1\n"""\nlog = 0', "log"),
        ("ims.Build = '1'\n\n# log = 9\nlog = 0", "log"),
        ("[tls]\n[ims]\n\n'Build' = 0", "ims.Build"),
        ("[[listener]]\n[[listener]]\n[listener.x]\nvia = 0", "listener[1].x.via"),
        ('[path."a.b"]\n\n=\ntype = 0', 'path."a.b".type'),
    ],
)
def test_the_line_is_that_of_the_key(text: str, key: str) -> None:
    """Strings over several lines, dotted keys and comments don't lead astray."""
    assert line_numbers(text)[key] == 4


def test_a_table_inside_an_array_has_its_line(refused: Callable[..., ConfigError]) -> None:
    """The second listener's line is told, not the first's."""
    listener = '[[listener]]\nendpoint = "127.0.0.1:0"\n'

    assert refused(f"{listener}{listener}tls = 0").origin == "conf/lab.toml:5"
