"""Secrets: files whose paths the settings name; read when they are needed, by the role that needs them."""

from pathlib import Path
from stat import S_IROTH, S_ISDIR

MAX_BYTES = 65_536


class SecretError(Exception):
    """A secret file that cannot be used; never holds what is in it."""


def read_secret(path: str) -> str:
    """Return the text of a secret file without the newline at its end.

    Raises:
        SecretError: the file cannot be read, is empty, or is no text.

    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode().rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SecretError(f"cannot read the secret file {path}: {reason}") from error
    if not text or len(content) > MAX_BYTES:
        size = "is empty" if not text else f"is larger than {MAX_BYTES:,} bytes"
        raise SecretError(f"cannot use the secret file {path}: it {size}")
    return text


def doubts_about(path: str) -> str:
    """Return why a secret file is not what it should be, for people; empty: all is well."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        return f"the secret file {path} cannot be read: {getattr(error, 'strerror', None) or error}"
    if S_ISDIR(mode):
        return f"the secret file {path} is a folder"
    if mode & S_IROTH:
        return f"the secret file {path} can be read by everybody on this machine; run `chmod 600 {path}`"
    return ""
