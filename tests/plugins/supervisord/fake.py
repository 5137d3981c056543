"""A supervisord that keeps its programs in memory and speaks real XML-RPC over HTTP."""

import threading
from typing import Any
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCServer

HIGHEST_PID = 4_194_304
"""What Linux gives at most: above it no real process can be met."""


class Programs:
    def __init__(self) -> None:
        self.states = {"shop:web": "RUNNING"}
        self.instance = 1
        self.calls: list[str] = []
        self.fails_to_spawn = False
        self.stopping = threading.Event()
        self.stopping.set()

    def _dispatch(self, method: str, params: tuple[Any, ...]) -> object:
        self.calls.append(method)
        name = params[0]
        if name not in self.states:
            raise Fault(10, f"BAD_NAME: {name}")
        return getattr(self, f"_{method.removeprefix('supervisor.')}")(*params)

    def _getProcessInfo(self, name: str) -> dict[str, object]:  # noqa: N802 — supervisord's own name
        word = self.states[name]
        runs = word == "RUNNING"
        return {
            "name": name.partition(":")[2],
            "group": name.partition(":")[0],
            "statename": word,
            "start": 1_700_000_000 + self.instance,
            "pid": HIGHEST_PID + self.instance if runs else 0,
            "exitstatus": 0,
            "spawnerr": "",
            "description": "as it is",
        }

    def _startProcess(self, name: str) -> bool:  # noqa: N802 — supervisord's own name
        if self.fails_to_spawn:
            self.states[name] = "FATAL"
            raise Fault(50, f"SPAWN_ERROR: {name}")
        if self.states[name] == "RUNNING":
            raise Fault(60, f"ALREADY_STARTED: {name}")
        self.states[name] = "RUNNING"
        self.instance += 1
        return True

    def _stopProcess(self, name: str) -> bool:  # noqa: N802 — supervisord's own name
        self.stopping.wait(5)
        if self.states[name] != "RUNNING":
            raise Fault(70, f"NOT_RUNNING: {name}")
        self.states[name] = "STOPPED"
        return True

    def _tailProcessStdoutLog(self, name: str, offset: int, length: int) -> list[object]:  # noqa: N802
        return ["one\ntwo\n"[-length:], offset, False]


class FakeSupervisord:
    def __init__(self) -> None:
        self.programs = Programs()
        self._server = SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False, allow_none=True)
        self._server.register_instance(self.programs)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def close(self) -> None:
        self.programs.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
