"""Who we say we are to an HTTP API: a bearer token, or a name and a password, from files."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Authorization:
    """Reads its file at every request, for tokens are renewed while we run."""

    secret: Callable[[str], str]
    """`Tools.secret`."""
    token_file: str = ""
    username: str = ""
    password_file: str = ""

    def headers(self) -> dict[str, str]:
        """Return what goes along with a request.

        Raises:
            PluginError: the file cannot be read.

        """
        if self.token_file:
            return {"Authorization": f"Bearer {self.secret(self.token_file)}"}
        if self.username:
            password = self.secret(self.password_file) if self.password_file else ""
            return {"Authorization": f"Basic {b64encode(f'{self.username}:{password}'.encode()).decode()}"}
        return {}
