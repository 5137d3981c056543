"""A message as title and body, in plain text, Markdown or HTML, without what calls whole channels."""

import re
from html import escape

from devops_agent.kit.telling import asks, label, link_word, plain
from devops_agent.model.notice import Message

_CALLS = re.compile(r"@(?=(?:everyone|here|channel|all|room|team)\b)", re.IGNORECASE)
"""Discord, Mattermost, Rocket.Chat, Matrix and Teams call everybody by these."""
_MENTION = re.compile(r"<(?=[@!#:&/a-zA-Z])")
"""`<@id>`, `<!channel>`, `<#channel>`, `<t:…>`, `<at>…</at>`: mentions, and what else services read between angles."""
_MASKED = re.compile(r"\](?=\s*[(\[:])")
"""`[words](address)`: a link that hides where it leads."""
_MARKS = re.compile(r"([\\`*_~|\[\]#>])")
_BREAK = "\u200b"
"""Takes no room, and stands between a sign and the name that it would call."""


def title(message: Message) -> str:
    """Return the title, with how bad it is."""
    return calm(f"[{label(message)}] {message.title}")


def text(message: Message) -> str:
    """Return the body as plain text: services that show Markdown all the same find no mention and no masked link."""
    return calm(plain(message))


def markdown(message: Message) -> str:
    """Return the body as Markdown; only our own links are links."""
    if message.body_text:
        return calm(message.body_text)
    parts = [_written(message.says)] if message.says else []
    parts += ["\n".join(f"- {_written(line)}" for line in message.lines)] if message.lines else []
    parts += (
        ["\n".join(f"- **{_written(n)}**: {_written(v)}" for n, v in message.facts.items())] if message.facts else []
    )
    if message.next_steps:
        parts.append("**What to do**\n" + "\n".join(f"- {_written(step)}" for step in message.next_steps))
    if message.question:
        parts.append(f"**{_written(asks(message.question))}**\n{_written(message.question.summary)}")
    if message.links:
        parts.append(" · ".join(f"[{_written(link_word(n))}](<{url}>)" for n, url in message.links.items()))
    return "\n\n".join(parts)


def html(message: Message) -> str:
    """Return the body as the little HTML that every service knows: b, br and a."""
    if message.body_text:
        return _shown(message.body_text)
    parts = [_shown(message.says)] if message.says else []
    parts += ["<br>".join(f"• {_shown(line)}" for line in message.lines)] if message.lines else []
    parts += (
        ["<br>".join(f"<b>{_shown(n)}</b>: {_shown(v)}" for n, v in message.facts.items())] if message.facts else []
    )
    if message.next_steps:
        parts.append("<br>".join(["<b>What to do</b>", *(f"• {_shown(step)}" for step in message.next_steps)]))
    if message.question:
        parts.append(f"<b>{_shown(asks(message.question))}</b><br>{_shown(message.question.summary)}")
    if message.links:
        parts.append(" · ".join(f'<a href="{escape(u)}">{_shown(link_word(n))}</a>' for n, u in message.links.items()))
    return "<br><br>".join(parts)


def calm(value: str) -> str:
    """Take out of a text what calls a whole channel, names somebody, or hides where a link leads."""
    quiet = _CALLS.sub(f"@{_BREAK}", value)
    quiet = _MENTION.sub(f"<{_BREAK}", quiet)
    return _MASKED.sub(f"]{_BREAK}", quiet)


def _written(value: str) -> str:
    return calm(_MARKS.sub(r"\\\1", value))


def _shown(value: str) -> str:
    return escape(calm(value)).replace("\n", "<br>")
