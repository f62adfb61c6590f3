"""Several misbehaviours of the Winsock stand-in at once."""

from collections.abc import Callable

from bindpost.proxy.winsock.messages import Hello, Message
from bindpost.proxy.winsock.standin_faults import (
    GARBAGE,
    Garbage,
    Misbehaviour,
    Refuse,
    Server,
    Silent,
)
from bindpost.proxy.winsock.standin_together import Together


class NoServer:
    """A server that nothing is done to."""

    def die(self) -> None:
        """Fail."""
        raise AssertionError

    def forget(self) -> None:
        """Fail."""
        raise AssertionError


class Doubling(Misbehaviour):
    """Sends everything twice."""

    name = "doubling"

    def send(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Send it twice."""
        send(data)
        send(data)


class Counting(Misbehaviour):
    """Counts what it sees."""

    name = "counting"

    def __init__(self) -> None:
        self.seen = 0

    def receive(self, message: Message, take: Callable[[], None], server: Server) -> None:
        """Count it."""
        self.seen += 1
        take()


def taken_by(misbehaviour: Misbehaviour) -> int:
    """Say how often a datagram gets to the server."""
    taken: list[None] = []
    misbehaviour.receive(Hello(), lambda: taken.append(None), NoServer())
    return len(taken)


def sent_by(misbehaviour: Misbehaviour) -> list[bytes]:
    """Give what goes out for one datagram."""
    sent: list[bytes] = []
    misbehaviour.send(b"answer", sent.append)
    return sent


def test_nothing_wrong_is_nothing_wrong() -> None:
    """Without parts all datagrams pass."""
    nothing = Together([])

    assert (taken_by(nothing), sent_by(nothing), list(nothing.rules)) == (1, [b"answer"], [])


def test_each_part_sees_what_goes_out() -> None:
    """The second gets what the first made of it."""
    assert sent_by(Together([Doubling(), Garbage()])) == [GARBAGE, GARBAGE]


def test_what_a_part_keeps_the_next_does_not_see() -> None:
    """A silent part hides datagrams from those after it, and not from those before."""
    before, after = Counting(), Counting()

    assert taken_by(Together([before, Silent(), after])) == 0
    assert (before.seen, after.seen) == (1, 0)


def test_rules_add_up() -> None:
    """The rules of every part count."""
    assert Together([Refuse(), Silent(), Refuse()]).rules == [*Refuse.rules, *Refuse.rules]
