"""Runs the agent role as a process of its own and kills it with SIGKILL at a chosen boundary of the journal.

`python launch.py CONFIG [--names FILE] [--kill N]`: the boundaries that are passed go to FILE, a line each; at the N-th
(from 0) the process kills itself.
"""

import argparse
import asyncio
import os
import signal
from pathlib import Path

from devops_agent.app.agent import Options, run_agent
from devops_agent.config import environment


def main() -> int:
    """Run until SIGTERM, or until the boundary."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--names", type=Path, default=Path(os.devnull))
    parser.add_argument("--kill", type=int, default=-1)
    given = parser.parse_args()
    names = os.open(given.names, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    passed = 0

    def boundary(name: str) -> None:
        nonlocal passed
        os.write(names, f"{name}\n".encode())
        if passed == given.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    return asyncio.run(run_agent(given.config, environ=environment(), options=Options(boundary=boundary)))


if __name__ == "__main__":
    raise SystemExit(main())
