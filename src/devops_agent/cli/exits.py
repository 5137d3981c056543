"""The exit codes, the same for every command."""

from enum import IntEnum


class Exit(IntEnum):
    """What a command's exit code means."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    CONFIG = 5
    INTERRUPTED = 130

    @property
    def says(self) -> str:
        """The meaning for people."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "done, or the answer is yes",
    Exit.REFUSED: "refused, or the answer is no: a check fails, a chain is broken, it does not fit the state of things",
    Exit.USAGE: "the command line is wrong",
    Exit.NOT_FOUND: "it speaks of something that is not there",
    Exit.UNREACHABLE: "the store cannot be used, or the agent gives no sign of life",
    Exit.CONFIG: "the configuration, a runbook or a secret file is wrong",
    Exit.INTERRUPTED: "ended by Ctrl-C",
}
