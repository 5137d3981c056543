"""The API's description: what FastAPI cannot see for itself is added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from devops_agent.web.asking import SCOPES, problems
from devops_agent.web.schemas import Accepted, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        for path, operation, scope in _operations(app, made):
            operation["summary"] = operation.get("description", path).partition(". ")[0].rstrip(".")
            if operation is not made["paths"][path].get("get"):  # a command: its key may be used up, its body too large
                operation["responses"] |= {str(status): said for status, said in problems(409, 413).items()}
            if scope:
                operation["security"] = [{"HTTPBearer": []}]
                operation["x-required-scope"] = scope
            else:
                operation.pop("security", None)
        for path, receiver in app.state.intake.paths.items():
            made["paths"].setdefault(path, {})["post"] = _intake(path, receiver)
        app.openapi_schema = made
    return app.openapi_schema


def _operations(app: FastAPI, made: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield (path, operation, scope that it needs; empty: none or its own rule) of all that FastAPI has described."""
    for route in (route for router in app.state.routers for route in router.routes):
        if isinstance(route, APIRoute) and route.include_in_schema:
            scopes = [SCOPES[one.call] for one in route.dependant.dependencies if one.call in SCOPES]
            for method in route.methods or ():
                yield route.path, made["paths"][route.path][method.lower()], scopes[0] if scopes else ""


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
        "x-required-scope": "alerts",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "202": {"description": "They are on the disk", "content": taken},
            **{str(status): said for status, said in problems(408, 413, 415).items()},
        },
    }
