"""The command line. Each command is a function in a module of its group; the table of all of them is in `root`."""

from devops_agent.cli.root import main

__all__ = ["main"]
