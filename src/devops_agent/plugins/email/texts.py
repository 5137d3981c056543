"""A message as a mail: subject, text, HTML that looks right in the light and in the dark, and its place in a thread."""

from __future__ import annotations

import hashlib
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from typing import TYPE_CHECKING

from devops_agent.kit.telling import asks, label, link_word, one_line, plain
from devops_agent.model.alert import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from devops_agent.model.notice import Message

_SUBJECT = 140
_COLOURS = {
    Severity.CRITICAL: "#c62828",
    Severity.WARNING: "#b26a00",
    Severity.INFO: "#1565c0",
    Severity.NONE: "#616161",
}
_OVER = "#2e7d32"
_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif;font-size:15px;line-height:1.5"
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<style>:root {{ color-scheme: light dark }}</style>
<title>{title}</title>
</head>
<body style="margin:0;padding:16px;{font}">
<div style="max-width:640px;margin:0 auto;border-left:6px solid {colour};padding-left:16px">
{content}
</div>
</body>
</html>
"""


def mail(message: Message, *, sender: str, to: Sequence[str]) -> EmailMessage:
    """Return the mail; `message` is harmless already.

    The first mail of a thread sets its subject, which the later ones repeat: many programs tell threads by it.
    """
    made = EmailMessage(policy=SMTP)
    domain = sender.rpartition("@")[2]
    earlier = message.earlier
    begun = one_line(earlier.data.get("subject", ""), most=_SUBJECT) if earlier else ""
    made["From"] = sender
    made["To"] = ", ".join(to)
    made["Subject"] = f"Re: {begun}" if begun else subject(message)
    made["Date"] = message.at
    made["Message-ID"] = message_id(message.key, domain=domain)
    if earlier is not None and (before := one_line(earlier.id, most=0)):
        made["In-Reply-To"] = before
        made["References"] = before
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    if message.severity is Severity.CRITICAL and not message.closes:
        made["Importance"] = "high"
    made.set_content(plain(message) + "\n", cte="quoted-printable")
    made.add_alternative(message.body_html or html(message), subtype="html", cte="quoted-printable")
    return made


def subject(message: Message) -> str:
    """Return the subject of a thread's first mail."""
    return one_line(f"[{message.severity.value}] {message.title}", most=_SUBJECT)


def message_id(key: str, *, domain: str) -> str:
    """Return the same id for the same message: servers that look drop the second copy."""
    return f"<{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:40]}@{domain}>"


def html(message: Message) -> str:
    """Return the mail's HTML: styles inline, nothing loaded from anywhere, every value escaped."""
    colour = _OVER if message.closes else _COLOURS[message.severity]
    return _PAGE.format(title=_text(message.title), font=_FONT, colour=colour, content="\n".join(_content(message)))


def _content(message: Message) -> Iterator[str]:
    yield f'<p style="margin:0;font-weight:600">{_text(label(message))}</p>'
    yield f'<h1 style="margin:4px 0 12px;font-size:20px;line-height:1.3">{_text(message.title)}</h1>'
    if message.says:
        yield f'<p style="margin:0 0 12px">{_text(message.says)}</p>'
    if message.body_text and not message.body_html:
        yield f'<pre style="white-space:pre-wrap;margin:0 0 12px">{escape(message.body_text)}</pre>'
    if message.lines:
        yield _list(message.lines)
    if message.facts:
        yield _table(message.facts)
    if message.next_steps:
        yield '<p style="margin:12px 0 4px;font-weight:600">What to do</p>'
        yield _list(message.next_steps)
    if message.question:
        yield f'<p style="margin:12px 0 4px;font-weight:600">{_text(asks(message.question))}</p>'
        yield f'<p style="margin:0 0 12px">{_text(message.question.summary)}</p>'
    if message.links:
        yield f'<p style="margin:16px 0 0">{" ".join(_link(name, url) for name, url in message.links.items())}</p>'


def _list(items: Sequence[str]) -> str:
    rows = "".join(f'<li style="margin:2px 0">{_text(item)}</li>' for item in items)
    return f'<ul style="margin:0 0 12px;padding-left:20px">{rows}</ul>'


def _table(facts: Mapping[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;padding:2px 12px 2px 0;font-weight:600">{_text(name)}</th>'
        f'<td style="padding:2px 0">{_text(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f'<table style="border-collapse:collapse;margin:0 0 12px">{rows}</table>'


def _link(name: str, url: str) -> str:
    return (
        f'<a href="{escape(url)}" style="display:inline-block;margin:0 8px 8px 0;padding:8px 14px;'
        f'border:1px solid currentColor;border-radius:6px;text-decoration:none">{_text(link_word(name))}</a>'
    )


def _text(value: str) -> str:
    return escape(value).replace("\n", "<br>")
