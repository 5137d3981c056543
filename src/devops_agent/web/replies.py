"""What Slack is told about a click after it was taken: at the address that came with it, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any

import msgspec

from devops_agent.kit.blocks import ANSWERS, APPROVE, DENY, escape, plain
from devops_agent.kit.http import Http, HttpError

if TYPE_CHECKING:
    from devops_agent.web.signed import App

log = logging.getLogger("devops_agent.web")

_PLACE = re.compile(r"[A-Za-z0-9/_.-]{1,500}", re.ASCII)
_WITHIN = 5.0
_UNDER_WAY = 100
_BLOCKS = 50
_TEXT = 3_000


class Replies:
    """Sends answers to clicks, beside the requests: Slack wants its own answer within three seconds."""

    def __init__(self) -> None:
        self._http = Http(connections=4)
        self._sending: set[asyncio.Task[None]] = set()

    def whisper(self, app: App, url: str, says: str) -> None:
        """Tell only who clicked."""
        said = {"response_type": "ephemeral", "replace_original": False, "text": escape(says, most=_TEXT)}
        self._send(app, url, said)

    def show(self, app: App, url: str, says: str, *, below: dict[str, Any], without: str) -> None:
        """Tell everybody, in the message that was clicked: `says` stands at its end, its buttons for that are gone."""
        text = escape(says, most=_TEXT)
        said: dict[str, Any] = {"replace_original": True, "text": text}
        given = below.get("blocks")
        kept = _kept(given, without) if isinstance(given, list) else []
        if kept:
            note = {"type": "context", "elements": [plain(f"✔ {says}", most=_TEXT)]}
            said |= {"blocks": [*kept[: _BLOCKS - 1], note], "text": str(below.get("text", "")) or text}
        self._send(app, url, said)

    async def close(self) -> None:
        """Give up what is still under way, and close the connections."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._http.close()

    def _send(self, app: App, url: str, said: dict[str, Any]) -> None:
        if not may_be_told(url, below=app.hooks_url):
            log.warning("a click names an address that is not Slack's", extra={"url": url[:200]})
            return
        if len(self._sending) >= _UNDER_WAY:
            log.warning("an answer to Slack is left out: too many are under way")
            return
        task = asyncio.create_task(self._post(url, said))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _post(self, url: str, said: dict[str, Any]) -> None:
        body = msgspec.json.encode(said)
        try:
            answer = await self._http.request(
                "POST", url, body=body, headers={"Content-Type": "application/json"}, timeout=_WITHIN, limit=64_000
            )
        except HttpError as error:
            log.warning("Slack was not told what came of a click", extra={"why": error.reason})
            return
        if not answer.ok:
            log.warning("Slack was not told what came of a click", extra={"why": f"it answers {answer.status}"})


def may_be_told(url: str, *, below: str) -> bool:
    """Whether an address lies below Slack's; only letters that no two readers of URLs see differently may follow."""
    base = below if below.endswith("/") else f"{below}/"
    return url.startswith(base) and _PLACE.fullmatch(url.removeprefix(base)) is not None


def _kept(blocks: list[Any], action: str) -> list[dict[str, Any]]:
    """Return a message's blocks without the buttons that `action` has settled."""
    kept = []
    for block in blocks:
        if not isinstance(block, dict) or (action in {APPROVE, DENY} and block.get("block_id") == ANSWERS):
            continue
        elements = block.get("elements")
        if block.get("type") == "actions" and isinstance(elements, list):
            left = [one for one in elements if not (isinstance(one, dict) and one.get("action_id") == action)]
            if not left:
                continue
            kept.append({**block, "elements": left})
        else:
            kept.append(block)
    return kept
