"""The HTTP API: what programs may read and order. Commands are those of the engine; here they only get a door."""

from fastapi import APIRouter

from devops_agent.web.api import (
    accounts,
    catalogue,
    controls,
    incidents,
    knowledge,
    learning,
    overview,
    people,
    record,
    reports,
)


def routers() -> list[APIRouter]:
    """Return all routers."""
    return [
        overview.router,
        incidents.router,
        people.router,
        controls.router,
        accounts.router,
        catalogue.router,
        learning.router,
        knowledge.router,
        record.router,
        reports.router,
    ]
