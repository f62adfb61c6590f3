"""SIGHUP: the settings are read again, and only what has changed is bound anew."""

import signal
import socket
from pathlib import Path

import pytest

from bindpost.proxy.local import free_port
from bindpost.testing import Serve


def say(peer: socket.socket, line: str) -> bytes:
    """Send a command and give the answer."""
    peer.sendall(line.encode() + b"\r\n")
    return peer.recv(4096)


def connect(port: int) -> socket.socket:
    """Connect and take the banner."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=30)
    assert peer.recv(4096).startswith(b"220 ")
    return peer


def settings(*ports: int, more: str = "") -> str:
    """Give a file with listeners on these ports."""
    return more + "".join(f"[[listener]]\nendpoint = '127.0.0.1:{port}'\n" for port in ports)


def test_only_what_changed_is_bound_again(serve: Serve, tmp_path: Path) -> None:
    """One listener goes, one comes, one stays with its live session; new sessions get new rules."""
    stays, goes, comes = free_port(), free_port(), free_port()
    file = tmp_path / "bindpost.toml"
    file.write_text(settings(stays, goes))
    serving = serve(listen="").wait_ready()

    with connect(stays) as live:
        file.write_text(settings(stays, comes, more="ims.DisableETRN = true\n"))
        serving.process.send_signal(signal.SIGHUP)
        serving.wait_for(lambda record: record["event"].get("action") == "reloaded")

        assert say(live, "ETRN example.org").startswith(b"250")
        with connect(stays) as new:
            assert say(new, "ETRN example.org").startswith(b"500")
        connect(comes).close()
        with pytest.raises(ConnectionRefusedError):
            connect(goes)

    bound = [r for r in serving.records if r["event"].get("action") == "listener-bound"]
    assert len(bound) == 3


def test_a_policy_of_retrying_takes_up_what_had_failed(serve: Serve, tmp_path: Path) -> None:
    """A listener that failed under `continue` is bound once `retry` is read and the port free."""
    file = tmp_path / "bindpost.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file.write_text(settings(port, more="on_bind_failure = 'continue'\n"))
        serving = serve(listen="").wait_ready()
        file.write_text(settings(port, more="on_bind_failure = 'retry'\n"))
        serving.process.send_signal(signal.SIGHUP)
        serving.wait_for(lambda record: record["event"].get("action") == "rebind-attempt")

    serving.wait_for(lambda record: record["event"].get("action") == "listener-bound")
    connect(port).close()


def test_bad_settings_change_nothing(serve: Serve, tmp_path: Path) -> None:
    """Settings that can't be used are reported by name, and the old ones stay in force."""
    port = free_port()
    file = tmp_path / "bindpost.toml"
    file.write_text(settings(port))
    serving = serve(listen="").wait_ready()

    file.write_text(settings(port, more="personality = 'sendmail'\n"))
    serving.process.send_signal(signal.SIGHUP)
    record = serving.wait_for(lambda record: record["event"].get("action") == "reload-failed")

    assert "personality" in record["bindpost"]["error"]
    connect(port).close()


def test_a_port_that_is_taken_does_not_end_the_service(serve: Serve, tmp_path: Path) -> None:
    """A new listener that can't be bound gives 4007; the others go on."""
    port = free_port()
    file = tmp_path / "bindpost.toml"
    file.write_text(settings(port))
    serving = serve(listen="").wait_ready()

    with socket.create_server(("127.0.0.1", 0)) as other:
        file.write_text(settings(port, other.getsockname()[1]))
        serving.process.send_signal(signal.SIGHUP)
        serving.wait_for(lambda record: record.get("EventID") == 4007)
        serving.wait_for(lambda record: record["event"].get("action") == "reloaded")

    connect(port).close()
    assert serving.stop() == 0


def test_what_stands_in_files_of_its_own_is_read_again(serve: Serve, tmp_path: Path) -> None:
    """A personality's file and one of faults change with a reload; a bad rule changes nothing."""
    port = free_port()
    personality, faults = tmp_path / "mine.toml", tmp_path / "faults.toml"
    head = "extends = 'plain'\nname = 'mine'\nproduct = 'Mine'\nbuild = '1'\n[reply]\n"
    rule = "[[fault]]\nname = 'no-mail'\nstage = 'MAIL'\naction = 'reply'\n"
    personality.write_text(head + "noop = { code = 250, text = 'one' }\n")
    faults.write_text(rule + "text = 'first'\n")
    (tmp_path / "bindpost.toml").write_text(
        settings(port, more="personality = 'mine.toml'\nfaults = 'faults.toml'\n")
    )
    serving = serve(listen="").wait_ready()
    with connect(port) as before:
        assert say(before, "NOOP") == b"250 one\r\n"
        say(before, "HELO client")
        assert say(before, "MAIL FROM:<a@b>") == b"451 first\r\n"

    personality.write_text(head + "noop = { code = 250, text = 'two' }\n")
    faults.write_text(rule + "text = 'second'\n")
    serving.process.send_signal(signal.SIGHUP)
    serving.wait_for(lambda record: record["event"].get("action") == "reloaded")
    faults.write_text(rule + "stage = 'NOWHERE'\n")
    serving.process.send_signal(signal.SIGHUP)
    failed = serving.wait_for(lambda record: record["event"].get("action") == "reload-failed")

    assert "faults.toml" in failed["bindpost"]["error"]
    with connect(port) as after:
        assert say(after, "NOOP") == b"250 two\r\n"
        say(after, "HELO client")
        assert say(after, "MAIL FROM:<a@b>") == b"451 second\r\n"
