"""Judgements as rows: each decision with its inputs; long fields, such as all runbooks, are kept once and packed."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import TYPE_CHECKING

import msgspec

from devops_agent.model.fact import from_json, to_json
from devops_agent.model.judgement import Judgement
from devops_agent.store.rows import Row, Rows, from_us, storable, to_us

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_LONG = 800
"""Characters from which a field is kept apart."""
_COLUMNS = "id, incident, at, step, inputs_json, parts_json, result_json, version"


def keep(rows: Rows, judgement: Judgement) -> bool:
    """Write a judgement; False when the last one of its step and incident came to the same result.

    A response that waits decides the same every few seconds: the inputs with which it first did are kept.
    """
    # What was decided is compared with what the store kept of it, which may be another text (NUL, half surrogates).
    given = storable({"inputs": judgement.inputs_json, "result": judgement.result_json})
    inputs, result = str(given["inputs"]), str(given["result"])
    if _last_result(rows, judgement.incident, judgement.step) == result:
        return False
    fields = msgspec.json.decode(inputs, type=dict[str, msgspec.Raw])
    long = {name: bytes(value).decode() for name, value in fields.items() if len(bytes(value)) > _LONG}
    rows.run(
        "INSERT INTO judgements (incident, at, step, inputs_json, parts_json, result_json, version)"
        " VALUES (:incident, :at, :step, :inputs_json, :parts_json, :result_json, :version)",
        incident=judgement.incident,
        at=to_us(judgement.at),
        step=judgement.step,
        inputs_json=to_json({name: value for name, value in fields.items() if name not in long}),
        parts_json=to_json({name: _keep_part(rows, text, now=judgement.at) for name, text in long.items()}),
        result_json=result,
        version=judgement.version,
    )
    return True


def since(rows: Rows, begin: datetime, *, incident: str = "", after: int = 0, limit: int = 500) -> list[Judgement]:
    """Return judgements since `begin` with higher ids than `after`, in order; with `incident` only that one's."""
    found = rows.all(
        f"SELECT {_COLUMNS} FROM judgements WHERE at >= :begin AND id > :after"
        " AND (:incident = '' OR incident = :incident) ORDER BY id LIMIT :limit",
        begin=to_us(begin),
        after=after,
        incident=incident,
        limit=limit,
    )
    parts: dict[str, str] = {}
    return [_judgement(rows, row, parts) for row in found]


def forget(rows: Rows, *, judged_before: datetime) -> int:
    """Delete older judgements, and the parts that no younger one uses; return how many judgements."""
    at = to_us(judged_before)
    deleted = rows.run("DELETE FROM judgements WHERE at < :at", at=at)
    rows.run("DELETE FROM judgement_parts WHERE used_at < :at", at=at)
    return deleted


def _last_result(rows: Rows, incident: str, step: str) -> str:
    row = rows.one(
        "SELECT result_json FROM judgements WHERE incident = :incident AND step = :step ORDER BY id DESC LIMIT 1",
        incident=incident,
        step=step,
    )
    return str(row["result_json"]) if row else ""


def _keep_part(rows: Rows, text: str, *, now: datetime) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    at = to_us(now)
    if not rows.run(
        "UPDATE judgement_parts SET used_at = CASE WHEN used_at < :at THEN :at ELSE used_at END WHERE digest = :digest",
        digest=digest,
        at=at,
    ):
        rows.run(
            "INSERT INTO judgement_parts (digest, packed, used_at) VALUES (:digest, :packed, :at)"
            " ON CONFLICT (digest) DO UPDATE SET used_at = excluded.used_at",
            digest=digest,
            packed=base64.b64encode(zlib.compress(text.encode())).decode(),
            at=at,
        )
    return digest


def _judgement(rows: Rows, row: Row, parts: dict[str, str]) -> Judgement:
    return Judgement(
        id=row["id"],
        incident=row["incident"],
        at=from_us(row["at"]),
        step=row["step"],
        inputs_json=_whole(rows, row["inputs_json"], from_json(row["parts_json"], dict[str, str]), parts),
        result_json=row["result_json"],
        version=row["version"],
    )


def _whole(rows: Rows, inputs: str, long: Mapping[str, str], parts: dict[str, str]) -> str:
    """Put the parts back into their fields; `parts` remembers those that were read."""
    fields = msgspec.json.decode(inputs, type=dict[str, msgspec.Raw])
    for name, digest in long.items():
        if digest not in parts:
            row = rows.one("SELECT packed FROM judgement_parts WHERE digest = :digest", digest=digest)
            assert row is not None  # noqa: S101 — a part is kept for as long as the youngest judgement that uses it
            parts[digest] = zlib.decompress(base64.b64decode(row["packed"])).decode()
        fields[name] = msgspec.Raw(parts[digest].encode())
    return to_json(fields)
