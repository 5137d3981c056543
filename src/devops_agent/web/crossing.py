"""Requests that other sites make a browser send: told apart by what browsers say of where a request comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from devops_agent.web.problem import ProblemError

if TYPE_CHECKING:
    from starlette.requests import Request

_OURS = ("same-origin", "none")
"""What `Sec-Fetch-Site` says of our own forms, and of what a person did in the browser itself (Fetch Metadata)."""


def see_ours(request: Request, *, public_url: str) -> None:
    """See that a form was sent by one of our own pages, as far as the browser says.

    Browsers say so on HTTPS and loopback by `Sec-Fetch-Site`; elsewhere by `Origin`. What says neither is no browser of
    the last years; the form's key guards those alone.

    Raises:
        ProblemError: 403, another site sent it.

    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        ours = site in _OURS
    elif origin is not None:
        ours = _host_of(origin) in {request.headers.get("host", "").lower(), _host_of(public_url)} - {""}
    else:
        ours = True
    if not ours:
        raise ProblemError(403, "another site sent this; do it on the page itself")


def is_from_elsewhere(request: Request) -> bool:
    """Whether another site led here, by a link in a mail for example."""
    return request.headers.get("sec-fetch-site") in ("cross-site", "same-site")


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""
