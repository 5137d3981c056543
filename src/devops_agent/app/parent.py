"""The parent: opens the listening socket, keeps web and agent running, forwards signals. Standard library only.

`python -m devops_agent.app.parent LISTEN [CONFIG]`, where LISTEN is `host:port` or `unix:/path`. The socket stays open
while web is started again, so that connections wait instead of being refused.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 30.0
_STEADY = 60.0  # seconds a role has to live for its next failure to count as the first again
_PATIENCE = 20.0  # seconds that roles get to drain


class Role:
    """One child and its history."""

    def __init__(self, name: str, command: list[str], *, pass_fds: tuple[int, ...] = ()) -> None:
        self.name = name
        self._command = command
        self._pass_fds = pass_fds
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = 0.0
        self._pause = _FIRST_PAUSE
        self.due = 0.0
        """When it is to be started (again), by the monotonic clock."""

    @property
    def runs(self) -> bool:
        """Whether it lives."""
        return self._process is not None

    def start(self) -> None:
        """Start it."""
        # glibc would give each thread a heap of its own, some megabytes for nothing.
        env = {**os.environ, "MALLOC_ARENA_MAX": "2"}
        self._process = subprocess.Popen(self._command, pass_fds=self._pass_fds, env=env)
        self._begun = time.monotonic()

    def reap(self) -> None:
        """Notice its end and plan its next start, later each time it dies young."""
        if self._process is None or (code := self._process.poll()) is None:
            return
        lived = time.monotonic() - self._begun
        self._pause = _FIRST_PAUSE if lived > _STEADY else min(self._pause * 2, _LONGEST_PAUSE)
        self.due = time.monotonic() + self._pause
        self._process = None
        word = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
        _say(f"{self.name} {word} after {lived:.1f} s, starts again in {self._pause:.1f} s")

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; say whether it came."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(seconds, 0.01))
        except subprocess.TimeoutExpired:
            return False
        self._process = None
        return True


def supervise(listen: str, config: str) -> int:
    """Keep both roles running until SIGTERM or SIGINT; return the exit status."""
    listener = open_listener(listen)
    python = [sys.executable, "-m"]
    roles = [
        Role("web", [*python, "devops_agent.app.web", config, "--fd", str(listener.fileno()), "--with-parent"],
             pass_fds=(listener.fileno(),)),
        Role("agent", [sys.executable, "-OO", "-m", "devops_agent.app.agent", config, "--with-parent"]),
    ]  # fmt: skip
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    # Children inherit the mask; each role lifts it first thing, so that no signal is lost on either side.
    while True:
        for role in roles:
            role.reap()
            if not role.runs and time.monotonic() >= role.due:
                role.start()
        waits = [role.due - time.monotonic() for role in roles if not role.runs]
        caught = signal.sigtimedwait(signals, max(min(waits, default=60.0), 0.01))
        if caught is None or caught.si_signo == signal.SIGCHLD:
            continue
        if caught.si_signo == signal.SIGHUP:
            for role in roles:
                role.send(signal.SIGHUP)
            continue
        return _stop(roles)


def open_listener(listen: str) -> socket.socket:
    """Open the socket that web will accept on.

    Raises:
        OSError: the address cannot be used.

    """
    if listen.startswith("unix:"):
        path = listen.removeprefix("unix:")
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        Path(path).chmod(0o660)
    else:
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
    listener.listen(1024)
    return listener


def _stop(roles: list[Role]) -> int:
    for role in roles:
        role.send(signal.SIGTERM)
    until = time.monotonic() + _PATIENCE
    for role in roles:
        if not role.wait(until - time.monotonic()):
            _say(f"{role.name} does not end, is killed")
            role.send(signal.SIGKILL)
            role.wait(5.0)
    return 0


def _say(text: str) -> None:
    at = time.strftime("%H:%M:%S", time.gmtime())
    sys.stderr.write(f"{at} parent {text}\n")
    sys.stderr.flush()


def main() -> int:
    """Run as `python -m devops_agent.app.parent LISTEN [CONFIG]`."""
    listen, config = [*sys.argv[1:], ""][:2]
    try:
        return supervise(listen, config)
    except OSError as error:
        _say(f"cannot listen on {listen}: {error.strerror or error}")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
