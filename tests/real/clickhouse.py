"""Speaks as much of ClickHouse's HTTP interface as qryn asks for, over chdb in this process.

`VENV/bin/python clickhouse.py FOLDER`: prints the port that it listens on, on the loopback, once it is ready. It is run
by the interpreter that chdb is installed for, and imports nothing else.
"""

import gzip
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from chdb.session import Session  # type: ignore[import-not-found]

_ONE_AT_A_TIME = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """Runs each request's SQL: its parameter `query`, its body, or the one followed by the other."""

    protocol_version = "HTTP/1.1"
    session: Session

    def do_GET(self) -> None:
        """Answer `/ping`, or run a query."""
        self._run(b"")

    def do_POST(self) -> None:
        """Run a query."""
        body = self._chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self._counted()
        self._run(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — named by the base class
        """Say nothing of requests that work."""

    def _run(self, body: bytes) -> None:
        url = urlsplit(self.path)
        if url.path == "/ping":
            self._answer(200, b"Ok.\n")
            return
        asked = parse_qs(url.query)
        sql = "\n".join(filter(None, (asked.get("query", [""])[0], body.decode())))
        try:
            with _ONE_AT_A_TIME:
                if database := asked.get("database", [""])[0]:
                    self.session.query(f"CREATE DATABASE IF NOT EXISTS `{database}`")
                    self.session.query(f"USE `{database}`")
                found = self.session.query(sql, "TabSeparated")
            self._answer(200, found.bytes() if found is not None else b"")
        except RuntimeError as error:
            sys.stderr.write(f"{sql[:500]}\n{error}\n")
            self._answer(500, str(error).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _counted(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)


def main(folder: str) -> None:
    """Serve until the process is ended."""
    Handler.session = Session(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
