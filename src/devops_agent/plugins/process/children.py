"""Starts processes that outlive the agent, and reaps those that end while it lives."""

from __future__ import annotations

import asyncio
import os
import subprocess

from devops_agent.kit import proc
from devops_agent.kit.proc import Process
from devops_agent.kit.process import clean_environment
from devops_agent.model.target import Target
from devops_agent.plugins.process.config import Options
from devops_agent.plugins.process.find import HOME_MARK, KEY_MARK, TARGET_MARK
from devops_agent.plugins.process.grip import Grip
from devops_agent.plugins.process.plain import open_for_output, opened
from devops_agent.ports import PluginError

_LAST_BYTES = 4_000


class _Detached(subprocess.Popen[bytes]):
    def __del__(self) -> None:
        """Do nothing: it is meant to outlive us, which Popen would complain of."""


class Children:
    """What this process started: each in a session of its own, holding none of our files, told apart by marks."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._running: dict[int, tuple[str, _Detached, Grip]] = {}
        self._codes: dict[str, int] = {}

    def start(self, target: Target, options: Options, *, key: str) -> Process:
        """Start the target's command, marked with its name, our state folder and `key`.

        Raises:
            PluginError: program, folder or log file cannot be used.

        """
        env = clean_environment({**options.env, TARGET_MARK: target.name, KEY_MARK: key, HOME_MARK: self._home})
        output = _open_log(options.log)
        try:
            child = _Detached(
                options.command,
                cwd=options.cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            raise PluginError(f"cannot start {target.name}: {what}{error.strerror}", retryable=False) from error
        finally:
            os.close(output)
        # Nobody else reaps it, so its entry is there even if it is dead already.
        process = proc.look_up(child.pid)
        if process is None:
            raise PluginError(f"cannot start {target.name}: it was gone at once")
        grip = Grip(process)
        self._running[child.pid] = (target.name, child, grip)
        self._codes.pop(target.name, None)
        grip.when_ended(asyncio.get_running_loop(), self.reap)
        return process

    def reap(self) -> None:
        """Collect those that have ended, so that no dead entry stays behind."""
        for pid, (name, child, grip) in list(self._running.items()):
            if (code := child.poll()) is not None:
                self._codes[name] = code if code >= 0 else 128 - code
                del self._running[pid]
                grip.close()

    def exit_code(self, target: Target) -> int | None:
        """Return how the target's last process ended, 128 + signal for a signal; None when it was not our child."""
        return self._codes.get(target.name)

    def close(self) -> None:
        """Stop watching; they live on."""
        for _, _, grip in self._running.values():
            grip.close()
        self._running.clear()


def _open_log(path: str) -> int:
    try:
        return open_for_output(path or os.devnull)
    except OSError as error:
        raise PluginError(f"cannot write the log {path}: {error.strerror}", retryable=False) from error


def last_words(path: str) -> str:
    """Return the last line of a log, cut to 300 characters; empty when there is none."""
    lines = tail(path, 1)
    return lines[0][:300] if lines else ""


def tail(path: str, lines: int, *, most: int = _LAST_BYTES) -> list[str]:
    """Return the last `lines` lines within the last `most` bytes of a file; empty when it cannot be read."""
    try:
        with opened(path) as file:
            text = os.pread(file, most, max(0, os.fstat(file).st_size - most)).decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]
