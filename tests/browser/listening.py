"""A server of the outside world that counts who comes: connections, and what they ask for."""

from __future__ import annotations

import socket
import threading

PATIENCE = 20.0


class Counter:
    """
    Listens on a free port and answers every request with a picture of one pixel.

    `requests` are the request lines with the header behind them, `connections` how many came,
    those included that asked for nothing. `pages` are paths that are answered with HTML instead.
    """

    PICTURE = (
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,"
        b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
    )

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self.pages: dict[str, str] = {}
        self._news = threading.Condition()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self._clients: list[socket.socket] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._server.getsockname()
        return f"http://{host}:{port}"

    def wait_reached(self, what: str) -> None:
        """Return when somebody has connected; `what` fails if nobody does."""
        with self._news:
            came = self._news.wait_for(lambda: self.connections > 0, PATIENCE)
            assert came, f"{what} reaches nobody at all"

    def close(self) -> None:
        """Stop; clients are cut off."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for client in self._clients:
            client.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self._clients.append(client)
            with self._news:
                self.connections += 1
                self._news.notify_all()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        received = b""
        try:
            while chunk := client.recv(65536):
                received += chunk
                if b"\r\n\r\n" not in received:
                    continue
                text, received = received.decode("latin-1"), b""
                with self._news:
                    self.requests.append(text)
                    self._news.notify_all()
                client.sendall(self._answer(text))
                return
        except OSError:
            return
        finally:
            client.close()

    def _answer(self, text: str) -> bytes:
        page = self.pages.get(text.split(" ")[1])
        body, kind = (self.PICTURE, "image/gif") if page is None else (page.encode(), "text/html")
        return (
            f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            "Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n"
        ).encode() + body
