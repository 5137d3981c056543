"""What vendors say of their interfaces (OpenAPI 3.0), and requests and answers held against it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft4Validator  # type: ignore[import-untyped]  # its stubs are a package of their own

from tests.real.parts import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.plugins.channels import Posted

FOLDER = Path(__file__).parents[2] / "build" / "vendor-interfaces"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Interface:
    """One vendor's description."""

    described: Mapping[str, Any]

    @classmethod
    def of(cls, vendor: str) -> Interface:
        """Read one.

        Raises:
            Missing: it is not installed.

        """
        file = FOLDER / f"{vendor}.json"
        if not file.exists():
            raise Missing("the vendors' interfaces are not installed; `make real-parts` installs them")
        return cls(described=json.loads(file.read_text()))

    @property
    def base(self) -> str:
        """The path below which the vendor's calls lie."""
        return urlsplit(str(self.described["servers"][0]["url"])).path

    def faults(self, posted: Posted) -> list[str]:
        """Return what of a request is not as described."""
        found = self._operation(posted)
        if found is None:
            return [f"{posted.method} {posted.path} is not described"]
        operation, in_path = found
        faults = list(self._parameters(operation, posted, in_path))
        kind = posted.headers.get("Content-Type", "").partition(";")[0]
        content = operation["requestBody"]["content"]
        if kind not in content:
            return [*faults, f"a body of {kind}; described: {', '.join(content)}"]
        schema = content[kind]["schema"]
        pairs = parse_qsl(posted.body.decode(), keep_blank_values=True, strict_parsing=True)
        faults += [f"{name} is sent twice" for name, _ in pairs if [one for one, _ in pairs].count(name) > 1]
        form = {name: _typed(value, schema["properties"].get(name, {})) for name, value in pairs}
        return faults + self._misfits(form, schema)

    def unknown(self, posted: Posted) -> set[str]:
        """Return the fields of a request's form that the description does not have."""
        found = self._operation(posted)
        assert found is not None
        return set(posted.form) - set(found[0]["requestBody"]["content"][_FORM]["schema"]["properties"])

    def answer_faults(self, path: str, status: str, body: object) -> list[str]:
        """Return what of an answer is not as described: fakes are held to it, too."""
        responses = self.described["paths"][path]["post"]["responses"]
        return self._misfits(body, responses[status]["content"]["application/json"]["schema"])

    def _operation(self, posted: Posted) -> tuple[Mapping[str, Any], Mapping[str, str]] | None:
        if not posted.path.startswith(self.base):
            return None
        asked = posted.path.removeprefix(self.base)
        for path, methods in self.described["paths"].items():
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))
            matched = re.fullmatch(pattern, asked)
            if matched and posted.method.lower() in methods:
                return methods[posted.method.lower()], matched.groupdict()
        return None

    def _parameters(self, operation: Mapping[str, Any], posted: Posted, in_path: Mapping[str, str]) -> Iterator[str]:
        headers = {name.lower(): value for name, value in posted.headers.items()}
        # Slack's description calls it a header `token`; its manual says that it goes as a bearer token.
        headers.setdefault("token", headers.get("authorization", "").removeprefix("Bearer "))
        places = {"path": in_path, "header": headers, "query": posted.query}
        for parameter in operation.get("parameters", ()):
            value = places[parameter["in"]].get(
                parameter["name"].lower() if parameter["in"] == "header" else parameter["name"]
            )
            if not value:
                if parameter.get("required"):
                    yield f"{parameter['in']} {parameter['name']} is missing"
                continue
            yield from self._misfits(value, parameter["schema"])

    def _misfits(self, value: object, schema: Mapping[str, Any]) -> list[str]:
        whole = {**schema, "components": self.described["components"]}
        return [
            f"{'.'.join(map(str, error.path))}: {error.message}" for error in Draft4Validator(whole).iter_errors(value)
        ]


def _typed(value: str, schema: Mapping[str, Any]) -> object:
    """Return a form's value as what the schema says that it means."""
    match schema.get("type"):
        case "boolean" if value in {"true", "false"}:
            return value == "true"
        case "integer" if re.fullmatch(r"-?\d+", value):
            return int(value)
        case "number" if re.fullmatch(r"-?\d+(\.\d+)?", value):
            return float(value)
        case "array":
            return [value]
        case _:
            return value
