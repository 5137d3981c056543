"""Sends mail by SMTP (RFC 5321), on a thread of its own while the server is talked to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devops_agent.kit.posting import secret
from devops_agent.kit.telling import harmless, one_line
from devops_agent.kit.tools import Tools, settings
from devops_agent.model.notice import Message, Receipt
from devops_agent.plugins.email.config import Config, Security
from devops_agent.plugins.email.texts import mail
from devops_agent.ports import NotifyError

if TYPE_CHECKING:
    from email.message import EmailMessage

log = logging.getLogger("devops_agent.notify.email")

_READY = 220
_CUT_EVERY = 0.1  # seconds
_STAYS = range(500, 600)
"""Answers that stay (RFC 5321, 4.2.1); those from 400 pass."""


def build(config: Mapping[str, object], *, tools: Tools) -> Email:
    """Return the notifier; `config` is `options` of its channel.

    Raises:
        SettingsError: the options are wrong.

    """
    return Email(settings(Config, config, where="options of a channel via email"), tools=tools)


class Email:
    """Sends to some addresses through one server."""

    updates = False
    """Nothing that was sent can be changed; later mails stand in the first one's thread all the same."""
    knows_repeats = False
    """Servers that drop a second mail of the same Message-ID there are, but nobody can rely on it."""

    def __init__(self, config: Config, *, tools: Tools) -> None:
        self._config = config
        self._tools = tools

    async def send(self, message: Message) -> Receipt:
        """Send it to all addresses at once; one that is refused while others are taken is told in the receipt.

        Raises:
            NotifyError: the server refused it for all of them, or cannot be reached.

        """
        made = mail(harmless(message), sender=self._config.sender, to=self._config.to)
        password = secret(self._tools, self._config.password_file) if self._config.password_file else ""
        held = _Held()
        working = asyncio.get_running_loop().run_in_executor(None, self._hand_over, made, password, held)
        try:
            refused = await asyncio.shield(working)
        except asyncio.CancelledError:
            held.given_up = True
            _cut_until_done(held, working)
            raise
        if refused:
            log.warning("mail not taken for all", extra={"refused": ", ".join(refused)})
        first = message.earlier.data.get("subject", "") if message.earlier else ""
        data = {"subject": first or str(made["Subject"])} | ({"refused": ", ".join(refused)} if refused else {})
        return Receipt(id=str(made["Message-ID"]), data=data)

    def _hand_over(self, made: EmailMessage, password: str, held: _Held) -> tuple[str, ...]:
        """Talk to the server, noted in `held`; return the addresses that it refused."""
        place = f"{self._config.host}:{self._config.at}"
        begun = False
        try:
            server = self._connect(held)
            try:
                if password:
                    server.login(self._config.username, password)
                server.ehlo_or_helo_if_needed()
                begun = True
                return tuple(server.send_message(made, self._config.sender, self._config.to))
            finally:
                with contextlib.suppress(smtplib.SMTPException, OSError):  # what was taken stays taken
                    server.quit()
                server.close()
        except smtplib.SMTPNotSupportedError as error:
            way_out = "set `security`, or leave out `username`, as the server wants it"
            raise NotifyError(f"cannot send mail by {place}: {_words(error)}; {way_out}", permanent=True) from error
        except smtplib.SMTPAuthenticationError as error:
            message = f"cannot log in at {place}: {_words(error)}"
            stays = error.smtp_code in _STAYS
            way_out = "; check username and password_file" if stays else ""
            raise NotifyError(message + way_out, permanent=stays) from error
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            says = "; ".join(f"{address}: {code} {_said(why)}" for address, (code, why) in error.recipients.items())
            message = f"{place} takes mail for none of its addresses: {says}"
            raise NotifyError(message, permanent=all(code in _STAYS for code in codes)) from error
        except smtplib.SMTPResponseException as error:
            message = f"{place} does not take the mail: {_words(error)}"
            raise NotifyError(message, permanent=error.smtp_code in _STAYS) from error
        except ssl.SSLCertVerificationError as error:
            message = f"the certificate of {place} is not trusted: {error.verify_message}; see ca_file"
            raise NotifyError(message, permanent=False) from error
        except (smtplib.SMTPException, OSError) as error:
            says = f"cannot send mail by {place}: {_words(error)}"
            raise NotifyError(says, permanent=False, unclear=begun) from error

    def _connect(self, held: _Held) -> smtplib.SMTP:
        """Open a connection that is as safe as the options want it."""
        config = self._config
        seconds = config.timeout.total_seconds()
        trusted = (
            None if config.security is Security.NONE else ssl.create_default_context(cafile=config.ca_file or None)
        )
        if config.security is Security.TLS:
            server: smtplib.SMTP = smtplib.SMTP_SSL(timeout=seconds, context=trusted)
        else:
            server = smtplib.SMTP(timeout=seconds)
        # `connect` leaves it out, and certificates are checked against it.
        server._host = config.host  # type: ignore[attr-defined]  # noqa: SLF001
        held.server = server
        if held.given_up:
            raise smtplib.SMTPServerDisconnected("it was given up before it began")
        try:
            _see_ready(*server.connect(config.host, config.at))
            if config.security is Security.STARTTLS:
                server.starttls(context=trusted)
        except BaseException:
            server.close()
            raise
        return server


@dataclass(kw_only=True)
class _Held:
    """What a thread holds, for those who have given it up."""

    server: smtplib.SMTP | None = None
    given_up: bool = False


def _see_ready(code: int, says: bytes) -> None:
    if code != _READY:
        raise smtplib.SMTPConnectError(code, says)


def _cut_until_done(held: _Held, working: asyncio.Future[tuple[str, ...]]) -> None:
    """End the connections, and so the thread: a server that answers letter by letter would hold it for ever.

    More than once: the thread may be about to open one.
    """
    if working.done():
        with contextlib.suppress(asyncio.CancelledError):
            working.exception()  # nobody waits for it any more
        return
    if held.server is not None and held.server.sock is not None:
        with contextlib.suppress(OSError):
            held.server.sock.shutdown(socket.SHUT_RDWR)
    asyncio.get_running_loop().call_later(_CUT_EVERY, _cut_until_done, held, working)


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_said(error.smtp_error)}"
    return one_line(str(error), most=200) or type(error).__name__


def _said(words: bytes | str) -> str:
    return one_line(words.decode(errors="replace") if isinstance(words, bytes) else words, most=200)
