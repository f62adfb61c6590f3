"""MSPCLNT.INI, WSPCFG.INI and LAT files as the Proxy Client reads them."""

import codecs
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from bindpost.errors import ConfigError
from bindpost.proxy.winsock.client_config import (
    Application,
    ClientConfig,
    load_client_config,
    parse_mspclnt,
    parse_wspcfg,
)

LoadBoth = Callable[[str, str], ClientConfig]

MSPCLNT = """\
[Internal]
scp=9,10
Build=2.0.400.12
[Master Config]
Path1=\\\\PROXY\\Mspclnt\\
[Servers Ip Addresses]
Name=PROXY
[Servers Ipx Addresses]
[Common]
Port=1745
Configuration Refresh Time (Hours)=6
LocalDomains = test.lab.com, lab.com
[inetinfo]
Disable=1
[outlook]
Disable=0
[icq]
RemoteBindTcpPorts=0
RemoteBindUdpPorts=0
ServerBindTcpPorts=0,1025-5000
UseProxyIpForGetHostByName=1
NameResolutionForLocalHost=P
"""
WSPCFG = "[MSEXCIMC]\r\nServerBindTcpPorts=25\r\nPersistent=1\r\nKillOldSession=1\r\n"


def section(text: str) -> Application:
    """Read a WSPCFG.INI of one section."""
    (only,), _ = parse_wspcfg(text, "WSPCFG.INI")
    return only


@pytest.fixture
def config_of(tmp_path: Path) -> LoadBoth:
    """Load a WSPCFG.INI and a MSPCLNT.INI from their texts."""

    def load(wspcfg: str, mspclnt: str) -> ClientConfig:
        (tmp_path / "wspcfg.ini").write_text(wspcfg)
        (tmp_path / "mspclnt.ini").write_text(mspclnt)
        return load_client_config(wspcfg=tmp_path / "wspcfg.ini", mspclnt=tmp_path / "mspclnt.ini")

    return load


def test_sample_of_kb_q231878_is_read() -> None:
    """The shipped MSPCLNT.INI gives its server, port and sections, and no warning but one."""
    config = parse_mspclnt(MSPCLNT, "MSPCLNT.INI")

    assert config.servers == ("PROXY",)
    assert config.control_port == 1745
    assert [one.name for one in config.mspclnt if one.disable] == ["inetinfo"]
    assert config.warnings == (
        "MSPCLNT.INI, line 17: [icq] port 0 is in RemoteBindTcpPorts and ServerBindTcpPorts; "
        "RemoteBindTcpPorts counts",
    )


def test_recipe_of_kb_q181420_is_read() -> None:
    """The four lines of the article give a section that binds port 25 on the proxy."""
    sections, warnings = parse_wspcfg(WSPCFG, "WSPCFG.INI")

    assert [one.name for one in sections] == ["MSEXCIMC"]
    assert 25 in sections[0].server
    assert warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "[msexcimc]\nserverbindtcpports=25",
        "[ MSExcIMC ]\n  ServerBindTCPPorts  =  25  \n",
        "; by hand\n[MSEXCIMC]\n;ServerBindTcpPorts=26\nServerBindTcpPorts=25\n",
        '[MSEXCIMC]\nServerBindTcpPorts="25"\n',
        "[MSEXCIMC]\rServerBindTcpPorts=25\r",
    ],
    ids=["case", "blanks", "comments", "quotes", "cr"],
)
def test_letter_case_and_blanks_do_not_matter(text: str) -> None:
    """Case, blanks, comments, quotes and the kind of line end change nothing."""
    sections, _ = parse_wspcfg(text, "WSPCFG.INI")

    assert sections[0].name.casefold() == "msexcimc"
    assert str(sections[0].server) == "25"


def test_servers_by_address_keep_their_order() -> None:
    """Addr1, Addr2, Addr10 are tried in that order, whatever the file's order is."""
    config = parse_mspclnt(
        "[Servers IP Addresses]\nAddr10=10.0.0.3\nAddr2=10.0.0.2\nAddr1=10.0.0.1\nAddr3=\n", "M"
    )

    assert config.servers == ("10.0.0.1", "10.0.0.2", "10.0.0.3")


def test_address_counts_more_than_name() -> None:
    """With both, the address comes first, and a warning says so."""
    config = parse_mspclnt("[Servers Ip Addresses]\nName=PROXY\nAddr1=10.0.0.1\n", "M")

    assert config.servers == ("10.0.0.1", "PROXY")
    assert config.warnings == (
        "M, line 2: [Servers Ip Addresses] has Addr1= and Name=; Addr1= counts",
    )


def test_ipx_servers_are_kept_apart() -> None:
    """An IPX address is no server that can be used."""
    config = parse_mspclnt("[Servers Ipx Addresses]\nAddr1=00002610-0080d830525f\n", "M")

    assert config.servers == ()
    assert config.ipx_servers == ("00002610-0080d830525f",)


def test_common_disable_of_mspclnt_is_told_by_its_place() -> None:
    """`[Common Configuration] Disable=1` is found and named with file and line."""
    config = parse_mspclnt("[Common]\nPort=1745\n[common configuration]\ndisable=1\n", "M.INI")

    assert config.common_disable == "M.INI, line 3"


def test_section_keys_are_read() -> None:
    """Every key that changes a TCP bind ends up in its field."""
    one = section(
        "[store]\nDisable=0\nLocalBindTcpPorts=1\nRemoteBindTcpPorts=2\nServerBindTcpPorts=993\n"
        "MultipleAccessTcpPorts=4\nProxyBindIp=993:203.0.113.5, 995:203.0.113.6\n"
        "ForceProxy=i:10.0.0.7\nNameResolution=L\nForceCredentials=1\n"
    )

    assert (str(one.local), str(one.remote), str(one.server)) == ("1", "2", "993")
    assert str(one.multiple) == "4"
    assert one.proxy_bind_ip == (
        (993, IPv4Address("203.0.113.5")),
        (995, IPv4Address("203.0.113.6")),
    )
    assert one.force_proxy == "10.0.0.7"
    assert not one.disable


def test_force_proxy_may_be_a_name() -> None:
    """`n:` names the server instead of giving its address."""
    assert section("[a]\nForceProxy=n:PROXY2\n").force_proxy == "PROXY2"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("[a]\nControlChannel=Wsp.tcp\n", "W, line 2: [a] ControlChannel is a key of later"),
        ("[a]\nColour=blue\n", "W, line 2: [a] Colour is not known; ignored"),
        (
            "[a]\nServerBindTcpPort=25\n",
            "W, line 2: [a] ServerBindTcpPort is not known (did you mean ServerBindTcpPorts?)",
        ),
        ("[a]\nDisable=1\n[A]\nDisable=0\n", "W, line 3: [A] again; ignored"),
        ("[MSEXCIMC.EXE]\nDisable=1\n", "W, line 1: [MSEXCIMC.EXE] is no application's"),
        ("[Common]\nPort=1745\n", "W, line 1: [Common] belongs into MSPCLNT.INI; ignored"),
        ("[a]\nDisable=1\nDisable=0\n", "W, line 3: Disable again; ignored"),
        ("Disable=1\n[a]\n", "W, line 1: before the first [section]; ignored"),
        ("[a]\nDisable\n", "W, line 2: neither [section] nor key=value; ignored"),
        ("[a\nDisable=1\n", "W, line 1: the section's closing ] is missing"),
        ("\n[a]\nDisable=1\n", "W: blank lines at its start or end"),
        ("[a]\nDisable=1\n\n", "W: blank lines at its start or end"),
        (
            "[a]\nServerBindTcpPorts=25\nLocalBindTcpPorts=20-30\n",
            "W, line 1: [a] port 25 is in LocalBindTcpPorts and ServerBindTcpPorts; Local",
        ),
    ],
)
def test_what_is_passed_over_is_a_warning(text: str, warning: str) -> None:
    """An unknown key, a stray line, a port in two lists are told and stop nothing."""
    _, warnings = parse_wspcfg(text, "W")

    assert [one for one in warnings if one.startswith(warning)]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "[Servers Ip Addresses]\nAdr1=10.0.0.1\n",
            "M, line 2: [Servers Ip Addresses] Adr1 is not known; ignored; did you mean addr1?",
        ),
        (
            "[Servers Ip Addresses]\nAdr1000=10.0.0.1\n",
            "M, line 2: [Servers Ip Addresses] Adr1000 is not known; ignored; did you mean addr1?",
        ),
        ("[Servers Ip Addresses]\nAddr0=10.0.0.1\n", "M, line 2: [Servers Ip Addresses] Addr0"),
        ("[Common]\nColour=blue\n", "M, line 2: [Common] Colour is not known; ignored"),
        ("[Common]\nPort=1745\nport=1746\n", "M, line 3: port again; ignored"),
        ("[Common]\nPort=1745\n[common]\nPort=1\n", "M, line 3: [common] again; ignored"),
    ],
)
def test_what_is_passed_over_in_general_sections_is_a_warning(text: str, warning: str) -> None:
    """A misspelt key of MSPCLNT.INI is told, and so is what comes twice; the first counts."""
    config = parse_mspclnt(text, "M")

    assert [one[: len(warning)] for one in config.warnings] == [warning]
    assert config.control_port == 1745
    assert config.servers == ()


def test_real_general_keys_are_known() -> None:
    """What the book, KB Q231878 and PortQry's sample have is passed over in silence."""
    config = parse_mspclnt(
        "[Internal]\nscp=9,10\nBuild=2.0.400.12\n"
        "[My Config]\nPath1=\\\\SRV\\Mspclnt\\\n"
        "[Servers Ipx Addresses]\nAddr1=00002610-0080d830525f\n"
        "[Common]\nWWW-Proxy=PROXY\nWebProxyPort=80\nSet Browsers to use Proxy=1\n"
        "Set Browsers to use Auto Config=1\nConfiguration Url=http://PROXY/array.dll\n"
        "Configuration Refresh Time (Hours)=6\nRefresh Give Up Time (Minutes)=15\n"
        "Re-check Inaccessible Server Time (Minutes)=10\nSetup=Setup.exe\n"
        "Inaccessible Servers Give Up Time (Minutes)=2\nLocalDomains = a.example, b.example\n"
        "AutoDetect ISA Servers=1\nSet Browsers to use Auto Detect=1\n",
        "M",
    )

    assert config.warnings == ()


def test_first_of_two_sections_counts() -> None:
    """As in Windows, the second section with one name changes nothing."""
    sections, _ = parse_wspcfg("[a]\nDisable=1\n[A]\nDisable=0\n", "W")

    assert [one.disable for one in sections] == [True]


def test_first_of_two_values_counts() -> None:
    """As in Windows, the second line with one key changes nothing."""
    assert section("[a]\nDisable=1\nDisable=0\n").disable


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("[MSEXCIMC]\nServerBindTcpPorts=smtp\n", "[MSEXCIMC] ServerBindTcpPorts", 2),
        ("[MSEXCIMC]\n\nDisable=yes\n", "[MSEXCIMC] Disable", 3),
        ("[s]\nProxyBindIp=993\n", "[s] ProxyBindIp", 2),
        ("[s]\nForceProxy=x:00002610-0080d830525f\n", "[s] ForceProxy", 2),
        ("[s]\nForceProxy=i:PROXY\n", "[s] ForceProxy", 2),
    ],
)
def test_wrong_value_names_file_line_and_key(text: str, key: str, line: int) -> None:
    """A value that cannot be read is an error that leads to its line."""
    with pytest.raises(ConfigError) as caught:
        parse_wspcfg(text, "WSPCFG.INI")

    assert caught.value.key == key
    assert caught.value.origin == f"WSPCFG.INI, line {line}"


@pytest.mark.parametrize(
    "text", ["[Common]\nPort=0\n", "[Common]\nPort=udp\n", "[Servers Ip Addresses]\nAddr1=PROXY\n"]
)
def test_wrong_general_value_is_refused(text: str) -> None:
    """A control port that is none and a name in place of an address are errors."""
    with pytest.raises(ConfigError, match="line 2"):
        parse_mspclnt(text, "MSPCLNT.INI")


def test_wspcfg_wins_whole_over_mspclnt(config_of: LoadBoth) -> None:
    """A section in WSPCFG.INI is all that counts; MSPCLNT.INI's is not merged into it."""
    config = config_of(WSPCFG, "[msexcimc]\nDisable=1\n")

    chosen = config.section_for("msexcimc")

    assert chosen is not None
    assert chosen.origin == "wspcfg.ini, line 1"
    assert not chosen.disable


@pytest.mark.parametrize(
    ("wspcfg", "mspclnt", "origin"),
    [
        ("[Common Configuration]\n[MsExcImc]\n", "[msexcimc]\n", "wspcfg.ini, line 2"),
        ("[Common Configuration]\n[store]\n", "[msexcimc]\n", "wspcfg.ini, line 1"),
        ("[Wsp client]\n", "[msexcimc]\n", "wspcfg.ini, line 1"),
        ("[store]\n", "[store]\n[msexcimc]\n", "mspclnt.ini, line 2"),
        ("[store]\n", "[common configuration]\n", "mspclnt.ini, line 1"),
        ("[store]\n", "[inetinfo]\nDisable=1\n", None),
    ],
)
def test_first_section_found_counts(
    config_of: LoadBoth, wspcfg: str, mspclnt: str, origin: str | None
) -> None:
    """WSPCFG.INI before MSPCLNT.INI, the own section before the common, and no other's."""
    chosen = config_of(wspcfg, mspclnt).section_for("msexcimc")

    assert (chosen.origin if chosen else None) == origin


def test_forced_proxy_replaces_the_servers(config_of: LoadBoth) -> None:
    """`ForceProxy` is the one server of its application and of no other."""
    config = config_of(
        "[msexcimc]\nForceProxy=i:10.0.0.7\n", "[Servers Ip Addresses]\nAddr1=10.0.0.1\n"
    )

    assert config.servers_for("MSEXCIMC") == ("10.0.0.7",)
    assert config.servers_for("store") == ("10.0.0.1",)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (codecs.BOM_UTF16_LE + WSPCFG.encode("utf-16-le"), "UTF-16"),
        (codecs.BOM_UTF16_BE + WSPCFG.encode("utf-16-be"), "UTF-16"),
        (codecs.BOM_UTF8 + WSPCFG.encode(), "UTF-8 with a byte order mark"),
        (WSPCFG.encode("utf-16-le"), "NUL bytes"),
        (WSPCFG.encode() + b"\x81", "0x81"),
        (b";" * ((1 << 20) + 1), "larger than"),
    ],
    ids=["utf-16-le", "utf-16-be", "utf-8", "no-mark", "byte-81", "huge"],
)
def test_file_that_is_not_ansi_is_refused(tmp_path: Path, data: bytes, problem: str) -> None:
    """Unicode, undefined bytes and enormous files are errors that say so."""
    path = tmp_path / "WSPCFG.INI"
    path.write_bytes(data)

    with pytest.raises(ConfigError, match=problem):
        load_client_config(wspcfg=path)


def test_ansi_letters_are_read(tmp_path: Path) -> None:
    """Letters of code page 1252 are text."""
    path = tmp_path / "MSPCLNT.INI"
    path.write_bytes(b"[Servers Ip Addresses]\r\nName=M\xdcNCHEN\r\n")

    assert load_client_config(mspclnt=path).servers == ("MÜNCHEN",)


def test_missing_file_finds_notepads_txt(tmp_path: Path) -> None:
    """When only `Wspcfg.ini.txt` is there, the error says it."""
    (tmp_path / "Wspcfg.ini.txt").touch()

    with pytest.raises(ConfigError, match=r"Notepad added .txt"):
        load_client_config(wspcfg=tmp_path / "WSPCFG.INI")


def test_missing_file_finds_other_letter_case(tmp_path: Path) -> None:
    """When the file is there in another letter case, the error says it."""
    (tmp_path / "Wspcfg.ini").touch()

    with pytest.raises(ConfigError, match="same letter case"):
        load_client_config(wspcfg=tmp_path / "WSPCFG.INI")


def test_missing_file_without_a_reason_is_told_as_such(tmp_path: Path) -> None:
    """When nothing of the kind is there, the error says no more than that."""
    (tmp_path / "mspclnt.ini").touch()

    with pytest.raises(ConfigError, match=r"does not exist$"):
        load_client_config(wspcfg=tmp_path / "wspcfg.ini")


def test_missing_folder_is_told(tmp_path: Path) -> None:
    """When not even the folder is there, the error says it."""
    with pytest.raises(ConfigError, match="there is no folder"):
        load_client_config(mspclnt=tmp_path / "mspclnt" / "mspclnt.ini")


def test_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    """A path that cannot be read is an error with the system's reason."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load_client_config(mspclnt=tmp_path)


def test_lat_files_are_united(tmp_path: Path) -> None:
    """The table holds what MSPLAT.TXT and LOCALLAT.TXT hold; comments and blank lines do not."""
    (tmp_path / "MSPLAT.TXT").write_text("10.0.0.0 10.255.255.255  \n\n; by Setup\n")
    (tmp_path / "LOCALLAT.TXT").write_text("192.168.1.5\t192.168.1.5\n")

    lat = load_client_config(lat=[tmp_path / "MSPLAT.TXT", tmp_path / "LOCALLAT.TXT"]).lat

    assert lat.known
    assert IPv4Address("10.1.2.3") in lat
    assert IPv4Address("192.168.1.5") in lat
    assert IPv4Address("192.168.1.6") not in lat


def test_wrong_lat_line_names_file_and_line(tmp_path: Path) -> None:
    """A line that is no range is an error that leads to it."""
    (tmp_path / "MSPLAT.TXT").write_text("10.0.0.0 10.255.255.255\n10.0.0.0 255.0.0.0\n")

    with pytest.raises(ConfigError, match=r"netmask.*MSPLAT.TXT, line 2"):
        load_client_config(lat=[tmp_path / "MSPLAT.TXT"])
