"""`bindpost lab proxy`: wrong options are told in a sentence, exit status 2, without secrets."""

import pytest
from click.testing import CliRunner

from bindpost.cli import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("socks5 --listen 127.0.0.1", "'127.0.0.1' is not HOST:PORT"),
        ("socks5 --listen 127.0.0.1:http", "the port must be a number"),
        ("socks5 --listen [::1]:1080", "'::1' is no IPv4 address"),
        ("socks5 --listen localhost:1080", "'localhost' is no IPv4 address"),
        ("socks5 --external 0.0.0.0", "0.0.0.0 is every address"),
        ("socks5 --external outside", "'outside' is no IP address"),
        ("socks5 --misbehave silent,slwo", "'slwo' is none of reset, silent"),
        ("socks5 --misbehave slwo", "did you mean slow?"),
        ("socks5 --port-policy strictest", "'strictest' is not one of"),
        ("winsock --listen 0.0.0.0:1745", "0.0.0.0 is every address"),
        ("winsock --external ::1", "'::1' is no IPv4 address"),
        ("winsock --allow-port 25,smtp", "'smtp' is not a port"),
        ("winsock --allow-port 30-20", "a range from high to low"),
        ("winsock --misbehave quiet", "'quiet' is none of"),
        ("winsock --misbehave die:never", "die:never: 'never' is neither"),
        ("winsock --record /none/wsp.pcap", "'/none/wsp.pcap': No such file or directory"),
        ("winsock --log xml", "'xml' is not one of"),
        ("telnet", "No such command 'telnet'"),
    ],
)
def test_a_wrong_option_is_told(arguments: str, words: str) -> None:
    """The message names the option's value and what it may be."""
    result = CliRunner().invoke(main, ["lab", "proxy", *arguments.split()])

    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize("option", ["socks5 --user", "winsock --account"])
@pytest.mark.parametrize("value", ["s3cret", ":s3cret"])
def test_a_wrong_account_is_told_without_showing_it(option: str, value: str) -> None:
    """What should be USER:PASSWORD may be a password; it is not repeated."""
    result = CliRunner().invoke(main, ["lab", "proxy", *option.split(), value])

    assert result.exit_code == 2
    assert "write USER:PASSWORD" in result.output
    assert "s3cret" not in result.output


@pytest.mark.parametrize("kind", ["socks5", "winsock"])
def test_help_shows_the_defaults(kind: str) -> None:
    """Each option has its line of help, and the two addresses their defaults."""
    result = CliRunner().invoke(main, ["lab", "proxy", kind, "--help"])

    assert result.exit_code == 0
    for option in ("--listen", "--external", "--misbehave", "--ready-file", "--log"):
        assert option in result.output
    assert "127.0.0.1:1080" in result.output or "127.0.0.1:1745" in result.output
