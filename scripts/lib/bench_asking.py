"""
The client of `scripts/bench inbox`: asks one question after the other over one connection.

`bench_asking.py HOST PORT` takes paths from standard input, a line each, and prints the
milliseconds that each answer took. The first is asked once more before, so that it is warm.
"""

from __future__ import annotations

import http.client
import sys
import time


def ask(connection: http.client.HTTPConnection, path: str) -> float:
    """
    Ask; gives the milliseconds to the last byte of the answer, which must be a good one.

    Who is told that it took too long (503) asks again, and the time goes on.
    """
    start = time.perf_counter()
    while True:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        if answer.status == http.client.OK:
            return 1000 * (time.perf_counter() - start)
        if answer.status != http.client.SERVICE_UNAVAILABLE:
            sys.exit(f"{path} is answered with {answer.status}")


def main(host: str, port: str) -> None:
    """Ask all that is to be asked."""
    paths = sys.stdin.read().split("\n")
    connection = http.client.HTTPConnection(host, int(port), timeout=300)
    ask(connection, paths[0])
    for path in paths:
        sys.stdout.write(f"{ask(connection, path)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
