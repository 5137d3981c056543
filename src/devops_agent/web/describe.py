"""The API's description: what FastAPI cannot see for itself is added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi

from devops_agent.web.asking import problems
from devops_agent.web.schemas import Accepted, Problem

if TYPE_CHECKING:
    from fastapi import FastAPI

SAYS = """
Watches services, takes alerts, repairs what is safe to repair, and tells everything that it did and why.

Every request but `/health`, and `/metrics` unless it is closed, needs `Authorization: Bearer TOKEN`. A token has a
scope: `alerts` may post alerts only, `read` may read, `operate` may also approve, pause and order, `admin` may do
everything.
Problems are answered as RFC 9457 has them. Commands take an `Idempotency-Key`: the same key again is the same request.
"""
_ALERT_SAYS = {
    "alertmanager": "Alertmanager's webhook, version 4, or the bare list that Prometheus posts.",
    "grafana": "The webhook of Grafana's unified alerting.",
    "generic": "One alert as flat JSON, or a list: `name`, `target`, `severity`, `summary`, `status`, `labels`.",
}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for shape in (Problem, Accepted):
            schemas[shape.__name__] = shape.model_json_schema(ref_template="#/components/schemas/{model}")
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for path, receiver in app.state.intake.paths.items():
            made["paths"].setdefault(path, {})["post"] = _intake(path, receiver)
        app.openapi_schema = made
    return app.openapi_schema


def _intake(path: str, receiver: str) -> dict[str, Any]:
    body = {"schema": {"type": ["object", "array"]}}
    taken = {"application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}}
    return {
        "tags": ["intake"],
        "summary": "Take alerts",
        "description": _ALERT_SAYS.get(receiver, f"Alerts as {receiver} posts them.")
        + " Answered when they are on the disk; repeats are recognised.",
        "operationId": "take_" + path.strip("/").replace("/", "_"),
        "security": [{"HTTPBearer": []}],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "202": {"description": "They are on the disk", "content": taken},
            **{str(status): said for status, said in problems(408, 413, 415).items()},
        },
    }
