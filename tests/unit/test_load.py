"""Loading of the settings: which layer wins, where values come from, what text becomes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bindpost.config.environment import assignments, variables
from bindpost.config.load import Loaded, load
from bindpost.config.model import DirectPath, Settings, WinsockPath

Load = Callable[..., Loaded]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def loaded(folder: Path) -> Load:
    """Give what loads a file with the text given, and nothing of the process's environment."""

    def from_text(
        text: str = "", environ: Mapping[str, str] | None = None, **flags: object
    ) -> Loaded:
        file = folder / "conf" / "lab.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return load(file=Path("conf/lab.toml"), flags=flags, environ=environ or {})

    return from_text


# Order


def test_without_anything_the_defaults_hold() -> None:
    """With no file, variable or flag the model's own settings hold, and nothing has an origin."""
    result = load(environ={})

    assert result.settings == Settings()
    assert dict(result.origins) == {}


def test_flags_win_over_the_environment_and_that_over_the_file(loaded: Load) -> None:
    """Each layer wins over the one before, value by value."""
    result = loaded(
        'log = "json"\nlog_level = "debug"\nhostname = "file"',
        {"BINDPOST_LOG_LEVEL": "error", "BINDPOST_HOSTNAME": "variable"},
        hostname="flag",
    )

    assert result.settings.log == "json"
    assert result.settings.log_level == "error"
    assert result.settings.hostname == "flag"


def test_each_value_tells_its_origin(loaded: Load) -> None:
    """A value comes from a line of the file, a variable or a flag; defaults are left out."""
    result = loaded(
        '\n[[listener]]\nendpoint = "127.0.0.1:25"\n[ims]\nDisableAuth = true\n',
        {"BINDPOST_IMS__DISABLE_ETRN": "1"},
        tls_key="key.pem",
    )

    assert dict(result.origins) == {
        "listener[0].endpoint": "conf/lab.toml:3",
        "ims.DisableAuth": "conf/lab.toml:5",
        "ims.DisableETRN": "BINDPOST_IMS__DISABLE_ETRN",
        "tls.key": "--tls-key",
    }


def test_a_flag_that_is_none_was_not_given(loaded: Load) -> None:
    """None and an empty list of endpoints change nothing."""
    result = loaded('hostname = "mx"', hostname=None, listen=(), via=None)

    assert result.settings.hostname == "mx"
    assert list(result.origins) == ["hostname"]


# Which file


def test_the_file_in_the_current_folder_is_found(folder: Path) -> None:
    """bindpost.toml needs no naming."""
    (folder / "bindpost.toml").write_text('hostname = "here"')

    assert load(environ={}).settings.hostname == "here"


def test_the_variable_names_the_file(folder: Path) -> None:
    """BINDPOST_CONFIG is taken rather than bindpost.toml."""
    (folder / "bindpost.toml").write_text('hostname = "here"')
    (folder / "other.toml").write_text('hostname = "other"')

    assert load(environ={"BINDPOST_CONFIG": "other.toml"}).settings.hostname == "other"


def test_the_file_given_is_taken_rather_than_the_variable_s(loaded: Load) -> None:
    """--config wins over BINDPOST_CONFIG."""
    result = loaded('hostname = "given"', {"BINDPOST_CONFIG": "/nowhere"})

    assert result.settings.hostname == "given"


def test_the_process_s_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an environment of its own, load reads the process's."""
    monkeypatch.setenv("BINDPOST_HOSTNAME", "from-the-process")

    assert load().settings.hostname == "from-the-process"


def test_a_byte_order_mark_is_no_matter(loaded: Load) -> None:
    """A file that Notepad saved is read."""
    assert loaded('\ufeffhostname = "mx"').settings.hostname == "mx"


# File names


def test_names_in_the_file_are_relative_to_its_folder(loaded: Load, folder: Path) -> None:
    """Wherever the program was started, a file finds its neighbours."""
    result = loaded(
        '[tls]\ncertificate = "c.pem"\n[path.lab]\ntype = "winsock"\nlat = ["a.txt", "/b.txt"]\n'
        '[[listener]]\nendpoint = "unix:run/s"'
    )

    assert result.folder == folder / "conf"
    assert result.settings.tls.certificate == str(folder / "conf/c.pem")
    path = result.settings.path["lab"]
    assert isinstance(path, WinsockPath)
    assert path.lat == (str(folder / "conf/a.txt"), "/b.txt")
    assert result.settings.listener[0].endpoint == f"unix:{folder}/conf/run/s"


def test_names_in_variables_and_flags_are_relative_to_the_current_folder(
    loaded: Load, folder: Path
) -> None:
    """What is typed means what the shell's completion means."""
    result = loaded("", {"BINDPOST_READY_FILE": "ready"}, data=Path("mail"), listen=["unix:s"])

    assert result.settings.ready_file == str(folder / "ready")
    assert result.settings.data == str(folder / "mail")
    assert result.settings.listener[0].endpoint == f"unix:{folder}/s"


def test_words_that_are_no_file_names_stay(loaded: Load) -> None:
    """:memory:, self-signed, off and the empty name are not made into files."""
    result = loaded('ready_file = ""', data=":memory:", tls_certificate="self-signed", web="off")

    assert result.settings.ready_file == ""
    assert result.settings.data == ":memory:"
    assert result.settings.tls.certificate == "self-signed"
    assert result.settings.web == "off"


def test_the_home_folder_is_known(loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ~ stands for the home folder in a file, too."""
    monkeypatch.setenv("HOME", "/home/me")

    assert loaded('data = "~/mail"').settings.data == "/home/me/mail"


def test_without_a_file_the_folder_is_the_current_one(folder: Path) -> None:
    """Relative names have something to be relative to in any case."""
    assert load(environ={}).folder == folder


# The environment


@pytest.mark.parametrize("variable", ["BINDPOST_IMS__DISABLE_AUTH", "BINDPOST_IMS__DisableAuth"])
@pytest.mark.parametrize(("text", "expected"), [("1", True), (" Yes", True), ("off", False)])
def test_truth_is_read_kindly(loaded: Load, variable: str, text: str, expected: bool) -> None:
    """Case and single underscores of the name don't matter, nor which word says yes."""
    result = loaded("[ims]\nDisableAuth = true", {variable: text})

    assert result.settings.ims.disable_auth is expected


def test_text_becomes_what_the_setting_wants(loaded: Load) -> None:
    """Numbers, lists with commas, and choices in any case."""
    result = loaded(
        "",
        {
            "BINDPOST_LIMITS__SESSIONS": "7",
            "BINDPOST_LIMITS__DRAIN": "0.5",
            "BINDPOST_IMS__RELAY_DENY_LIST": "10.0.0.0;255.0.0.0, 192.0.2.1,",
            "BINDPOST_IMS__TRANSFER_MODE": "inbound only",
        },
    )

    assert result.settings.limits.sessions == 7
    assert result.settings.limits.drain == 0.5
    assert result.settings.ims.relay_deny_list == ("10.0.0.0;255.0.0.0", "192.0.2.1")
    assert result.settings.ims.transfer_mode == "Inbound Only"


def test_a_bind_path_of_the_file_is_found_by_its_name(loaded: Load) -> None:
    """LAB_PROXY in a variable means the file's [path.lab-proxy]."""
    result = loaded(
        '[path.lab-proxy]\ntype = "winsock"', {"BINDPOST_PATH__LAB_PROXY__SERVER": "10.0.0.1"}
    )

    assert result.settings.path == {"lab-proxy": WinsockPath(server="10.0.0.1")}


def test_a_bind_path_can_be_made_of_variables(loaded: Load) -> None:
    """No file is needed for a [path.NAME]."""
    result = loaded(
        "",
        {
            "BINDPOST_PATH__LAB__SERVER": "10.0.0.1",
            "BINDPOST_PATH__LAB__TYPE": "winsock",
            "BINDPOST_VIA": "lab",
        },
    )

    assert result.settings.path == {"lab": WinsockPath(server="10.0.0.1")}
    assert result.settings.listener[0].via == "lab"


def test_what_kubernetes_sets_is_passed_over(loaded: Load) -> None:
    """A pod beside a service called bindpost can start."""
    result = loaded(
        "",
        {
            "BINDPOST_SERVICE_HOST": "10.0.0.9",
            "BINDPOST_SERVICE_PORT_SMTP": "25",
            "BINDPOST_PORT": "tcp://10.0.0.9:25",
            "BINDPOST_PORT_25_TCP_ADDR": "10.0.0.9",
        },
    )

    assert result.settings == Settings()


def test_every_variable_means_its_setting() -> None:
    """The variables that suggestions are made of are all understood."""
    names = list(variables())

    understood = [assignment.origin for assignment in assignments(dict.fromkeys(names, ""), {})]

    assert understood == sorted(names)


# What stands for all listeners


def test_listen_replaces_the_file_s_listeners(loaded: Load) -> None:
    """--listen says where, and the file's listeners are gone with all that they had."""
    result = loaded(
        '[[listener]]\nendpoint = "127.0.0.1:25"\ntls = "off"',
        listen=("127.0.0.1:0", "[::1]:0"),
    )

    assert [listener.endpoint for listener in result.settings.listener] == [
        "127.0.0.1:0",
        "[::1]:0",
    ]
    assert result.settings.listener[0].tls == "auto"
    assert dict(result.origins) == {
        "listener[0].endpoint": "--listen",
        "listener[1].endpoint": "--listen",
    }


def test_via_is_for_every_listener(loaded: Load) -> None:
    """--via is the path of all listeners of the file."""
    result = loaded(
        '[[listener]]\nendpoint = "127.0.0.1:25"\n[[listener]]\nendpoint = "127.0.0.1:26"',
        via="winsock://10.0.0.1",
    )

    assert {listener.via for listener in result.settings.listener} == {"winsock://10.0.0.1"}
    assert result.origins["listener[1].via"] == "--via"


def test_variables_for_all_listeners_fill_in_for_the_flags(loaded: Load) -> None:
    """The path of BINDPOST_VIA holds for --listen, whose variable in turn is not used."""
    result = loaded(
        "",
        {"BINDPOST_VIA": "winsock://10.0.0.1", "BINDPOST_LISTEN": "127.0.0.1:1,127.0.0.1:2"},
        listen=["127.0.0.1:3"],
    )

    assert [(x.endpoint, x.via) for x in result.settings.listener] == [
        ("127.0.0.1:3", "winsock://10.0.0.1")
    ]


def test_via_alone_takes_the_default_listener(loaded: Load) -> None:
    """The default listener gets the path, and the model's own default stays as it is."""
    result = loaded(via="winsock://10.0.0.1")

    assert [(x.endpoint, x.via) for x in result.settings.listener] == [
        ("127.0.0.1:1025", "winsock://10.0.0.1")
    ]
    assert loaded().settings == Settings()


def test_personality_is_for_every_listener(loaded: Load) -> None:
    """--personality is the general one, and that of listeners that had their own."""
    result = loaded(
        'personality = "imc-4.0"\n'
        '[[listener]]\nendpoint = "127.0.0.1:25"\npersonality = "plain"\n'
        '[[listener]]\nendpoint = "127.0.0.1:26"',
        personality="ims-5.0",
    )

    assert result.settings.personality == "ims-5.0"
    assert [x.personality for x in result.settings.listener] == ["ims-5.0", ""]
    assert result.origins["listener[0].personality"] == "--personality"


def test_the_file_s_personalities_stand_for_themselves(loaded: Load) -> None:
    """The general personality of a file does not touch that of a listener."""
    result = loaded(
        'personality = "imc-4.0"\n[[listener]]\nendpoint = "127.0.0.1:25"\npersonality = "plain"'
    )

    assert result.settings.listener[0].personality == "plain"


def test_direct_is_a_path_too(loaded: Load) -> None:
    """A [path.NAME] of type direct needs nothing else."""
    result = loaded('[path.here]\ntype = "direct"', via="here")

    assert result.settings.path == {"here": DirectPath()}
    assert os.path.isabs(result.folder)
