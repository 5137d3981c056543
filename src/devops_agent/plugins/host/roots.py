"""Which folders may be cleaned, and opening them without following a link anywhere on the way."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from devops_agent.ports import PluginError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_NEVER_WITHIN = ("/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/boot", "/proc", "/sys", "/dev")
_NEVER_AS_A_WHOLE = (
    *("/", "/home", "/home/*", "/root", "/var", "/var/lib", "/var/lib/*", "/run", "/opt", "/srv", "/mnt", "/media"),
    *("/snap", "/nix", "/nix/store", "/data", "/Users", "/Users/*"),
)


def refusal(root: str, allowed: Sequence[str]) -> str:
    """Return why rules may not write below `root`; empty when they may."""
    path = PurePosixPath(root)
    if not path.is_absolute() or ".." in path.parts or str(path) != (root.rstrip("/") or "/"):
        return f"{root!r} is no plain absolute path"
    if any(_within(path, PurePosixPath(never)) for never in _NEVER_WITHIN):
        return f"{root} belongs to the system and is never cleaned"
    if any(fnmatchcase(str(path), never) and never.count("/") == str(path).count("/") for never in _NEVER_AS_A_WHOLE):
        return f"{root} is never cleaned as a whole; name a folder in it"
    if not any(_within(path, PurePosixPath(one)) for one in allowed if one.strip("/")):
        known = ", ".join(allowed) or "none"
        return f"{root} is in no allowed root; allowed: {known} (plugins.host.allowed_roots)"
    return ""


def open_root(root: str) -> int:
    """Return a descriptor of the folder, reached part by part so that no link can lead elsewhere.

    Raises:
        PluginError: it is not there, or a link lies on the way.

    """
    folder = os.open("/", FOLDER)
    try:
        for part in PurePosixPath(root).parts[1:]:
            deeper = os.open(part, FOLDER, dir_fd=folder)
            os.close(folder)
            folder = deeper
    except OSError as error:
        os.close(folder)
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise PluginError(
                f"cannot clean {root}: a link lies on the way; write its real path", retryable=False
            ) from error
        raise PluginError(f"cannot clean {root}: {error.strerror}", retryable=False) from error
    return folder


def _within(path: PurePosixPath, folder: PurePosixPath) -> bool:
    return path == folder or folder in path.parents
