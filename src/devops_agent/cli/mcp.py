"""Serve MCP: what the agent knows, for editors and assistants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from devops_agent.cli import say
from devops_agent.cli.call import TOKEN, Call, Trouble, command
from devops_agent.cli.exits import Exit

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence


@command(
    "mcp",
    "devops-agent mcp --token-file editor.token",
    "devops-agent mcp --url https://ops.example.org --token-file editor.token",
    "devops-agent mcp --http 127.0.0.1:8486",
    data=False,
)
@click.option("--url", metavar="URL", help="Where the agent's API is; else as agent.yaml says.")
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help=f"Holds the token to call the API with; else {TOKEN} of the environment.",
)
@click.option(
    "--http",
    "listen",
    metavar="HOST:PORT",
    help="Serve streamable HTTP there instead of standard input and output; each caller brings a token.",
)
@click.option(
    "--host-name", "hosts", multiple=True, metavar="NAME", help="A name by which HTTP may be called besides localhost."
)
@click.option(
    "--allow-writes", is_flag=True, help="Also offer tools that approve, deny, acknowledge, pause, resume and silence."
)
def serve_mcp(  # the options of both transports
    call: Call, *, url: str | None, token_file: str | None, listen: str | None, hosts: Sequence[str], allow_writes: bool
) -> None:
    """Serve MCP (Model Context Protocol) for editors and assistants, by default over standard input and output.

    It asks the agent's HTTP API in the caller's name, so the token's scope decides what may be read and done: make one
    with `devops-agent token create editor --scope read`. With --allow-writes and a token of scope `operate` an
    assistant can also answer approvals, by id and digest. Needs `pip install 'devops-ai-agent[mcp]'`.
    """
    import asyncio

    _see_installed()
    from devops_agent.mcp import serve

    place, socket_path = (url.rstrip("/"), "") if url else _own_api(call)
    if listen is None:
        if hosts:
            raise Trouble("--host-name goes with --http", Exit.USAGE)
        token = call.token(token_file)
        asyncio.run(serve.serve_stdio(place, socket_path=socket_path, token=token, writes=allow_writes))
        return
    if token_file is not None:
        raise Trouble("--token-file is for standard input and output; over HTTP each caller brings a token", Exit.USAGE)
    listening = _listen(listen, hosts)
    host, port, *_ = listening.getsockname()
    name = f"[{host}]" if ":" in host else host
    asyncio.run(
        serve.serve_http(
            place,
            socket_path=socket_path,
            listening=listening,
            hosts=hosts,
            writes=allow_writes,
            started=lambda: say.note(f"MCP: http://{name}:{port}{serve.PATH}"),
        )
    )


def _see_installed() -> None:
    from importlib.util import find_spec

    if find_spec("mcp") is None:
        raise Trouble("cannot serve MCP: the package mcp is missing; pip install 'devops-ai-agent[mcp]'", Exit.CONFIG)


def _own_api(call: Call) -> tuple[str, str]:
    """Return where the configuration says that the API is: a URL, and the path of a socket or nothing."""
    from devops_agent.cli.tokens import page_url

    settings = call.settings()
    listen = settings.web.listen
    if listen.startswith("unix:"):
        return "http://localhost", listen.removeprefix("unix:")
    here = page_url(settings.with_(web=settings.web.with_(public_url="")), listen)
    if here.endswith(":0"):
        raise Trouble("agent.yaml lets web choose its port (web.listen); name it with --url", Exit.USAGE)
    return here, ""


def _listen(address: str, hosts: Sequence[str]) -> socket.socket:
    import ipaddress

    from devops_agent.app.parent import open_listener

    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004 — the last port
        raise Trouble(f"cannot listen on {address!r}; write 127.0.0.1:8486", Exit.USAGE)
    host = "127.0.0.1" if host == "localhost" else host
    try:
        here = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError as error:
        raise Trouble(
            f"cannot listen on {address!r}: {host!r} is no address; write 127.0.0.1:8486", Exit.USAGE
        ) from error
    if not here and not hosts:
        says = (
            f"cannot listen on {address} for other machines without --host-name NAME, the name they call it by; put a"
            " proxy with TLS before it"
        )
        raise Trouble(says, Exit.USAGE)
    try:
        return open_listener(f"{host}:{port}")
    except OSError as error:
        raise Trouble(
            f"cannot listen on {address}: {error.strerror or error}; choose another port", Exit.REFUSED
        ) from error
