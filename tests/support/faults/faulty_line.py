"""A line to a server on loopback that breaks, slows down or swallows answers when it is told to.

Belongs here: bytes between two sockets, and when they stop. Does not belong here: what they mean.
"""

import socket
import struct
import threading
import time
from typing import Literal, Self

Way = Literal["server", "client"]
_POLL = 0.05


class FaultyLine:
    """A proxy before a server, for as long as the block lasts.

    Attributes:
        port: where clients find the server.
        seen: how many bytes came, by the way they went: towards "server" or "client".
        connections: how many connections there were.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._passes = threading.Event()
        self._passes.set()
        self._ends = threading.Event()
        self._cut: dict[Way, int] = {}
        self._speed = 0
        self._swallows_from: int | None = None
        self._gone = self._then_gone = False
        self.seen: dict[Way, int] = {"server": 0, "client": 0}
        self.connections = 0

    def __enter__(self) -> Self:
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.settimeout(_POLL)
        self.port: int = self._door.getsockname()[1]
        self._begin(self._let_in)
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._passes.set()
        self._reset_all()
        for thread in self._threads:
            thread.join(10)
        self._door.close()

    def cut_after(self, n_bytes: int, towards: Way) -> None:
        """Reset, once, the connection on which so many bytes more have gone that way."""
        self._cut[towards] = n_bytes

    def hold(self) -> None:
        """Let nothing pass: a server that does not answer."""
        self._passes.clear()

    def release(self) -> None:
        """Let everything pass again, what was held first."""
        self._passes.set()

    def slow(self, bytes_per_second: int) -> None:
        """Let no more than that pass on a connection, each way; 0 for as fast as it goes."""
        self._speed = bytes_per_second

    def swallow_answers(self, after: int = 0, *, then_gone: bool = False) -> None:
        """Let what clients send arrive, and reset, once, the connection on which the server answers.

        Args:
            after: how many bytes more must have gone to the server before its answer is swallowed.
            then_gone: whether nobody gets through afterwards (`gone`).
        """
        self._then_gone = then_gone
        self._swallows_from = self.seen["server"] + after

    def gone(self) -> None:
        """Reset every connection, and those that come: a server that is not there."""
        self._gone = True
        self._reset_all()

    def back(self) -> None:
        """Let connections through again."""
        self._gone = False

    def _begin(self, work: object, *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _let_in(self) -> None:
        while not self._ends.is_set():
            try:
                client, _ = self._door.accept()
            except (TimeoutError, OSError):
                continue
            self.connections += 1
            if self._gone:
                _reset(client)
                continue
            try:
                server = socket.create_connection(self._server)
            except OSError:
                _reset(client)
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as fast as without the line
            self._open += [client, server]
            self._begin(self._carry, client, server, "server")
            self._begin(self._carry, server, client, "client")

    def _carry(self, source: socket.socket, target: socket.socket, towards: Way) -> None:
        try:
            while data := source.recv(2**14 if not self._speed else max(1, self._speed // 20)):
                while not self._passes.wait(_POLL) and not self._ends.is_set():
                    pass
                if (
                    towards == "client"
                    and self._swallows_from is not None
                    and self.seen["server"] >= self._swallows_from
                ):
                    self._swallows_from, self._gone = None, self._gone or self._then_gone
                    _reset(target, source)
                    return
                left = self._cut.get(towards)
                if left is not None:
                    if len(data) >= left:
                        del self._cut[towards]
                        target.sendall(data[:left])
                        self.seen[towards] += left
                        _reset(source, target)
                        return
                    self._cut[towards] = left - len(data)
                target.sendall(data)
                self.seen[towards] += len(data)
                if self._speed:
                    time.sleep(len(data) / self._speed)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            _reset(source, target)

    def _reset_all(self) -> None:
        _reset(*self._open)
        self._open.clear()


def _reset(*sockets: socket.socket) -> None:
    """End connections as a line that breaks does: at once, and not in order."""
    for one in sockets:
        try:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.shutdown(socket.SHUT_RD)
        except OSError:
            pass
        one.close()
