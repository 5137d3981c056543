"""The command line: serve, work, or print the table of faults."""

import argparse
import logging
import signal
import socket
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .faults import as_table
from .place import Place
from .sabotage import Limits, Sabotage
from .switches import Switches

if TYPE_CHECKING:
    import uvicorn


def main(argv: list[str]) -> int:
    """Do what the arguments say; the exit status."""
    told = _parser().parse_args(argv)
    if told.what == "faults":
        sys.stdout.write(as_table())
        return 0
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s %(levelname)s {told.name} %(message)s")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # it tells every step of a start
    return _work(told) if told.what == "worker" else _serve(told)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="market_predictor", description="A demo service with faults to switch on.")
    parser.add_argument(
        "what",
        nargs="?",
        default="serve",
        choices=("serve", "worker", "faults"),
        help="serve HTTP (if nothing is said), work off a queue without a port, or print the table of faults",
    )
    parser.add_argument("--name", default="market-predictor", help="what it calls itself")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one and says which")
    parser.add_argument(
        "--state-dir", type=Path, help="folder for its files; if not said, one below the temporary folder"
    )
    parser.add_argument("--depends-on", type=_http_url, help="URL that has to answer for it to be healthy")
    parser.add_argument("--start-delay", type=float, default=0.0, help="seconds that every start takes until healthy")
    parser.add_argument("--memory-limit-mb", type=float, default=160.0, help="what memory_percent is measured against")
    parser.add_argument("--disk-quota-mb", type=float, default=64.0, help="what disk_percent is measured against")
    parser.add_argument("--faults", action="store_true", help="let faults be switched on, from this machine")
    return parser


def _http_url(text: str) -> str:
    if urlsplit(text).scheme != "http" or not urlsplit(text).hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is no URL; write it like http://127.0.0.1:8000/health")
    return text


def _work(told: argparse.Namespace) -> int:
    from .worker import work

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    place = _place(told)
    switches = Switches(place, wanted=lambda fault: fault.in_worker) if told.faults else None
    _say(f"{told.name} works off {place.queue}")
    work(told.name, place=place, sabotage=_sabotage(told, place, switches), stop=stop)
    return 0


def _serve(told: argparse.Namespace) -> int:
    import uvicorn

    from .service import Settings, build

    place = _place(told)
    switches = Switches(place) if told.faults else None
    sabotage = _sabotage(told, place, switches)
    app = build(
        Settings(name=told.name, disk_path=str(place.root), depends_on=told.depends_on or ""),
        sabotage=sabotage,
        switches=switches,
    )
    config = uvicorn.Config(
        app, loop="asyncio", ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    sabotage.close_port = partial(_close_port, server)
    try:
        listening = socket.create_server((told.host, told.port))
    except OSError as error:
        sys.stderr.write(f"cannot listen on {told.host}:{told.port}: {error.strerror}; choose another --port\n")
        return 1
    host, port = listening.getsockname()[:2]
    _say(f"{told.name} listens on http://{host}:{port}")
    server.run(sockets=[listening])
    return 0


def _place(told: argparse.Namespace) -> Place:
    return Place(told.state_dir or Path(tempfile.gettempdir()) / "market-predictor" / told.name)


def _sabotage(told: argparse.Namespace, place: Place, switches: Switches | None) -> Sabotage:
    limits = Limits(memory_mb=told.memory_limit_mb, disk_mb=told.disk_quota_mb)
    return Sabotage(told.name, place=place, limits=limits, switches=switches, start_delay=told.start_delay)


def _close_port(server: "uvicorn.Server") -> None:
    for listening in server.servers:
        listening.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()
