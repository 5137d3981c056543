"""Matchers as people write them into a form."""

from __future__ import annotations

from devops_agent.web.problem import ProblemError


def read_matchers(text: str) -> dict[str, str]:
    """Return label → pattern for `label=pattern, label=pattern`.

    Raises:
        ProblemError: 422, a part has another form.

    """
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, pattern = part.partition("=")
        if not equals or not name.strip():
            raise ProblemError(422, f"{part!r} is no matcher; write label=pattern, such as alertname=HighLatency.")
        found[name.strip()] = pattern.strip().strip('"')
    return found
