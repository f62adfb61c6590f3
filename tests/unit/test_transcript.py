"""The transcript's recorder: its order, and its bounds under a client that never stops."""

from __future__ import annotations

from bindpost.server.smtp.reply import Reply
from bindpost.server.smtp.transcript import MAX_LINES, MAX_SIZE, MAX_TEXT, Recorder


def test_lines_keep_their_order_and_speaker() -> None:
    """What was said first stands first, with who said it."""
    recorder = Recorder()
    recorder.add("S", "220 hello")
    recorder.add("C", "NOOP")
    recorder.add("-", "5 octets of data")

    assert [(line.speaker, line.text) for line in recorder.lines] == [
        ("S", "220 hello"),
        ("C", "NOOP"),
        ("-", "5 octets of data"),
    ]


def test_a_reply_is_as_many_lines_as_it_has() -> None:
    """Its lines stand among the others, each with its code."""
    recorder = Recorder()
    recorder.add("C", "EHLO c")
    recorder.add_reply(Reply(250, ("mx", "SIZE 0", "HELP")))
    before = recorder.lines
    recorder.add("C", "NOOP")
    recorder.add_reply(Reply(250, ("OK",)))

    said = ["EHLO c", "250-mx", "250-SIZE 0", "250 HELP", "NOOP", "250 OK"]
    assert [line.text for line in recorder.lines] == said
    assert [line.text for line in before] == said[:4]
    assert [line.text for line in recorder.lines[2:5]] == said[2:5]
    assert recorder.lines[-1].text == "250 OK"
    assert (len(before), len(recorder.lines)) == (4, 6)


def test_time_never_runs_backwards() -> None:
    """Milliseconds since the start of the session never fall."""
    recorder = Recorder()
    for _ in range(100):
        recorder.add("C", "NOOP")

    times = [line.milliseconds for line in recorder.lines]

    assert times == sorted(times)
    assert times[0] >= 0


def test_a_long_line_is_cut() -> None:
    """Of a line no more than `MAX_TEXT` characters are kept."""
    recorder = Recorder()
    recorder.add("C", "x" * (MAX_TEXT + 1))

    assert recorder.lines[0].text == "x" * MAX_TEXT


def test_endless_talk_is_cut_with_a_note() -> None:
    """After `MAX_LINES` one last note says so, and nothing more is kept."""
    recorder = Recorder()
    for number in range(MAX_LINES + 10):
        recorder.add("C", str(number))

    *kept, note = recorder.lines

    assert [line.text for line in kept] == [str(number) for number in range(MAX_LINES)]
    assert note.speaker == "-"
    assert "left out" in note.text


def test_much_talk_is_cut_with_a_note() -> None:
    """Of a session no more than `MAX_SIZE` characters are kept, and its last line says so."""
    recorder = Recorder()
    for _ in range(MAX_SIZE // MAX_TEXT + 10):
        recorder.add("C", "x" * MAX_TEXT)

    *kept, note = recorder.lines

    assert sum(len(line.text) for line in kept) == MAX_SIZE
    assert note.speaker == "-"
    assert "left out" in note.text
