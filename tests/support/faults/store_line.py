"""A line to an S3 server on loopback that knows one request from another: what a store, or a race, does to one of them.

Belongs here: what is done to a request because of what it is. Does not belong here: bytes that drop (`faulty_line`); what is
tried against it.
"""

import http.client
import threading
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

from tasks.rehearsal.s3_stand_in import S3Server

#: How long a put waits for another one of the same name, in seconds; a process may stop writing while the other goes on.
_MEETS_WITHIN = 3


class StoreLine:
    """A proxy before an S3 server, for as long as the block lasts.

    Attributes:
        port, endpoint: where clients find the server.
        asked: how many requests came.
        lost: the puts whose answer was lost, in order.
        met: the names that two wanted to put at the same time.
    """

    def __init__(self, server: S3Server, *, overwrites: bool = False, meets: bool = False) -> None:
        """A line.

        Args:
            server: where it leads.
            overwrites: the store heeds no `If-None-Match`, as some do not.
            meets: a put on condition waits for another one of the same name, so that both are under way at once.
        """
        self.server, self._overwrites, self._meets = server, overwrites, meets
        self._loses: list[tuple[str, bool]] = []
        self._waits: dict[str, threading.Event] = {}
        self._one, self._turn = threading.Lock(), threading.Lock()
        self.asked, self._shuts_after = 0, float("inf")
        self.lost: list[str] = []
        self.met: list[str] = []

    def __enter__(self) -> Self:
        line = self

        class Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65_537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                line._pass(self)

        self._door = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self._door.daemon_threads = True
        self.port = self._door.server_port
        self.endpoint = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._door.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._door.shutdown()
        self._door.server_close()

    def lose_answer(self, named: str, *, done: bool = True) -> None:
        """Drop the connection instead of answering the next put of a name that holds this.

        Args:
            named: a part of the object's name.
            done: whether the store did it.
        """
        self._loses.append((named, done))

    def goes_away_after(self, requests: float) -> None:
        """Answer so many more requests, and then none: neither done nor answered; for good where nothing else is said."""
        self._shuts_after = self.asked + requests

    def _pass(self, asked: BaseHTTPRequestHandler) -> None:
        with self._one:
            self.asked += 1
            if self.asked > self._shuts_after:
                asked.close_connection = True
                return
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        name = unquote(asked.path.partition("?")[0]).removeprefix("/")
        loses = next((one for one in self._loses if asked.command == "PUT" and one[0] in name), None)
        on_condition = asked.command == "PUT" and "If-None-Match" in asked.headers
        if on_condition and self._meets:
            self._meet(name)
        with self._turn if self._overwrites else nullcontext():  # nobody sees that it was gone in between
            if on_condition and self._overwrites:  # the header is signed and stays: what stands there goes instead
                bucket, _, key = name.partition("/")
                self.server.client().delete_object(Bucket=bucket, Key=key)
            if loses is None or loses[1]:
                answer, content = self._answer(asked, body)
        if loses is not None:
            self._loses.remove(loses)
            self.lost.append(name)
            asked.close_connection = True
            return
        asked.send_response_only(answer.status, answer.reason)
        for header, value in answer.getheaders():
            if header.lower() not in ("connection", "transfer-encoding", "content-length"):
                asked.send_header(header, value)
        length = answer.getheader("Content-Length") if asked.command == "HEAD" else str(len(content))
        asked.send_header("Content-Length", length or "0")
        asked.end_headers()
        asked.wfile.write(content)

    def _answer(self, asked: BaseHTTPRequestHandler, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        there = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        there.putrequest(asked.command, asked.path, skip_host=True, skip_accept_encoding=True)
        for header, value in asked.headers.items():
            there.putheader(header, value)
        there.endheaders(body or None)
        answer = there.getresponse()
        content = answer.read()
        there.close()
        return answer, content

    def _meet(self, name: str) -> None:
        with self._one:
            other = self._waits.pop(name, None)
            mine = threading.Event()
            if other is None:
                self._waits[name] = mine
        if other is not None:
            self.met.append(name)
            other.set()
            return
        mine.wait(_MEETS_WITHIN)
        with self._one:
            if self._waits.get(name) is mine:
                del self._waits[name]
