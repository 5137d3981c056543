"""A small SMTP server: it takes mail, keeps it, and refuses what a test says."""

import asyncio
import base64
import email
import email.policy
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """One mail with its envelope."""

    sender: str
    to: tuple[str, ...]
    encrypted: bool
    mail: EmailMessage


@dataclass(kw_only=True)
class MailServer:
    """Speaks enough SMTP for smtplib."""

    tls: ssl.SSLContext | None = None
    """With it STARTTLS is offered."""
    login: str = ""
    """`name:password` that is asked for."""
    refuses: Mapping[str, str] = field(default_factory=dict)
    """Command, or address, → the answer instead, such as `550 unknown`; `hangup` ends the connection."""
    arrived: list[Arrived] = field(default_factory=list)
    port: int = 0
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await self._talk(reader, writer)
        writer.close()
        self._open.discard(task)

    async def settle(self) -> None:
        """Wait until every connection has ended."""
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender, to = "", list[str]()
        await _say(writer, "220 here")
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            command, address = line.split(" ", 1)[0].upper(), line.partition("<")[2].partition(">")[0]
            refusal = self.refuses.get(address) or self.refuses.get(command)
            if refusal == "hangup":
                return
            if refusal:
                await _say(writer, refusal)
                continue
            if command == "MAIL":
                sender, to = address, []
            if command == "RCPT":
                to.append(address)
            if command == "DATA":
                await _say(writer, "354 go on")
                content = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
                spoiled = self.refuses.get(".")
                if spoiled == "hangup":
                    return
                if spoiled:
                    await _say(writer, spoiled)
                    continue
                self._keep(sender, to, content, encrypted=writer.get_extra_info("sslcontext") is not None)
            await _say(writer, *self._answers(command, line, writer))
            if command == "STARTTLS":
                await writer.start_tls(self.tls)  # type: ignore[arg-type]  # offered only with one

    def _answers(self, command: str, line: str, writer: asyncio.StreamWriter) -> list[str]:
        if command == "EHLO":
            return self._offers(writer)
        if command == "AUTH":
            given = base64.b64decode(line.rpartition(" ")[2]).decode().split("\0")
            return ["235 welcome" if ":".join(given[-2:]) == self.login else "535 wrong name or password"]
        return ["221 bye" if command == "QUIT" else "220 go on" if command == "STARTTLS" else "250 ok"]

    def _offers(self, writer: asyncio.StreamWriter) -> list[str]:
        plain = writer.get_extra_info("sslcontext") is None
        offers = ["250-here"]
        offers += ["250-STARTTLS"] if self.tls is not None and plain else []
        offers += ["250-AUTH PLAIN"] if self.login and not plain else []
        return [*offers, "250 8BITMIME"]

    def _keep(self, sender: str, to: list[str], content: bytes, *, encrypted: bool) -> None:
        undotted = content.replace(b"\r\n..", b"\r\n.")
        parsed = email.message_from_bytes(undotted, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.arrived.append(Arrived(sender=sender, to=tuple(to), encrypted=encrypted, mail=parsed))


async def _say(writer: asyncio.StreamWriter, *lines: str) -> None:
    writer.write("".join(f"{line}\r\n" for line in lines).encode())
    await writer.drain()


@asynccontextmanager
async def mail_server(server: MailServer, *, encrypted: bool = False) -> AsyncIterator[MailServer]:
    """Run it on a free port; `encrypted` from the first byte."""
    context = server.tls if encrypted else None
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context, limit=10_000_000)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server
        await server.settle()


def part(mail: EmailMessage, kind: str) -> str:
    """Return a mail's part of that kind, `plain` or `html`."""
    found = mail.get_body((kind,))
    assert found is not None
    content = found.get_content()
    assert isinstance(content, str)
    return content
