"""Writes ``openapi.yaml`` from the routes and the records; a test keeps the two equal.

``python -m mlops_nb.server.openapi`` writes the file anew.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import msgspec

from mlops_nb.server.records import ErrorBody, PanelEvent
from mlops_nb.server.routes import PREFIX, ROUTES, Route

__all__ = ["PATH", "document", "render"]

PATH = Path(__file__).with_name("openapi.yaml")
_REF = "#/components/schemas/{name}"
_ABOUT = """\
REST under the Jupyter server's base URL, authenticated and protected against cross-site requests as
every other Jupyter endpoint. `project` is always the project's path relative to the server's root.
Paths in answers are relative to the project unless they say otherwise; times are seconds since the
epoch, UTC. Every answer that is no success has an `ErrorBody`.

What happens is told on Jupyter's event bus (`app.serviceManager.events.stream`) as `PanelEvent`s
with the schema id that `about` names. Nothing is replayed there: after a gap in `seq`, or after
connecting anew, get `/runs/{run}/events?since=` or the whole view again.
"""
_PARTS = {
    "server": "The server, files of a project, long work",
    "projects": "Finding and starting projects",
    "pipeline": "The graph, its plan and its parameters",
    "runs": "History, events, logs; starting and stopping",
    "models": "Versions, gates, promotion, rollback",
    "monitoring": "Drift, alerts, performance",
    "export": "Files for CI systems and orchestrators",
    "schedules": "Runs at set times",
}
_TROUBLES = {
    400: "The request is malformed.",
    401: "Nobody is signed in; some set-ups answer 403.",
    403: "The user may not do this, the cross-site token is missing, or the path leads outside.",
    404: "There is no such project, run, model, version, window or file.",
    409: "Something is in the way: another run, someone who promoted first, a folder in use.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The project, the pipeline, a parameter, a gate or a setting refuses it.",
    503: "A worker died or could not be started; try again.",
}


def document() -> dict[str, Any]:
    """Return the API's description as OpenAPI 3.1."""
    from mlops_nb import __version__

    answers = {route.answer for route in ROUTES if route.answer is not None}
    answers |= {ErrorBody, PanelEvent}
    bodies = {route.body for route in ROUTES if route.body is not None}
    queries = {route.query for route in ROUTES if route.query is not None}
    kinds = sorted(answers | bodies | queries, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    for name, schema in schemas.items():
        _describe(name, schema)
    of_queries = {name: schemas.pop(name) for name in sorted(kind.__name__ for kind in queries)}
    for name in _reached(answers, schemas):
        # What is answered is always there, also where it has a default.
        if "properties" in schemas[name]:
            schemas[name]["required"] = list(schemas[name]["properties"])
    paths: dict[str, Any] = {}
    for route in ROUTES:
        made = _operation(route, of_queries)
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = made
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mlops-nb",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": "/", "description": "The Jupyter server's base URL"}],
        "security": [{"token": []}],
        "tags": [{"name": name, "description": text} for name, text in _PARTS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`token <token>`; a browser sends its cookie and `X-XSRFToken`.",
                }
            },
            "responses": {
                f"Trouble{code}": {
                    "description": text,
                    "content": {"application/json": {"schema": _ref(ErrorBody)}},
                }
                for code, text in _TROUBLES.items()
            },
            "schemas": dict(sorted(schemas.items())),
        },
    }


def render() -> str:
    """Return the description as YAML."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text_of(dumper: Dumper, text: str) -> Any:
        style = "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, text_of)
    text = yaml.dump(document(), Dumper=Dumper, sort_keys=False, width=100, allow_unicode=True)
    return f"# Written by python -m mlops_nb.server.openapi; do not edit.\n{text}"


def _operation(route: Route, queries: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    if route.query is not None:
        schema = queries[route.query.__name__]
        for name, kind in schema["properties"].items():
            field: dict[str, Any] = {"name": name, "in": "query", "schema": dict(kind)}
            if text := field["schema"].pop("description", ""):
                field["description"] = text
            if name in schema.get("required", ()):
                field["required"] = True
            parameters.append(field)
    made: dict[str, Any] = {
        "operationId": f"{route.area}_{route.name}",
        "summary": route.summary,
        "tags": [route.area],
        "parameters": parameters,
    }
    if route.body is not None:
        needed = bool(_required(route.body))
        made["requestBody"] = {
            "required": needed,
            "content": {"application/json": {"schema": _ref(route.body)}},
        }
    made["responses"] = {str(route.status): _success(route)} | {
        str(code): {"$ref": f"#/components/responses/Trouble{code}"}
        for code in _TROUBLES
        if _may_be(route, code)
    }
    return made


def _success(route: Route) -> dict[str, Any]:
    if route.answer is not None:
        return {
            "description": inspect.cleandoc(route.answer.__doc__ or "").partition("\n")[0],
            "content": {"application/json": {"schema": _ref(route.answer)}},
        }
    if route.status == 204:
        return {"description": "Done."}
    return {"description": "The file's bytes.", "content": {"*/*": {"schema": {}}}}


def _may_be(route: Route, code: int) -> bool:
    if code in (413, 415):
        return route.body is not None
    return code != 409 or route.writes


def _ref(kind: Any) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}


def _required(kind: Any) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind) if field.required]


def _reached(kinds: set[Any], schemas: dict[str, Any]) -> set[str]:
    """Return the schemas that answers are made of."""
    found: set[str] = set()
    waiting = [kind.__name__ for kind in kinds]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += re.findall(r"#/components/schemas/([\w.]+)", str(schemas[name]))
    return found


def _describe(name: str, schema: dict[str, Any]) -> None:
    """Add what the docstrings say: msgspec's schemas have only those of the classes."""
    kind = _kinds().get(name)
    schema.pop("title", None)
    if kind is None:
        return
    if "description" in schema:
        schema["description"] = _prose(schema["description"])
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("mlops_nb."):
            texts |= _field_texts(base)
    if "enum" in schema:
        told = [f"`{item.value}`: {texts[item.name]}" for item in kind if item.name in texts]
        if told:
            schema["description"] = "\n".join([schema.get("description", ""), "", *told]).strip()
    for field, text in texts.items():
        if field in schema.get("properties", {}):
            found = schema["properties"][field]
            # Beside a reference a description is allowed since OpenAPI 3.1.
            schema["properties"][field] = {**found, "description": text}


def _field_texts(kind: Any) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)  # noqa: S101
    texts = {}
    for node, after in zip(tree.body, tree.body[1:], strict=False):
        if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)):
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign):
            target = node.targets[0]  # type: ignore[assignment]
        if isinstance(target, ast.Name):
            texts[target.id] = _prose(str(after.value.value))
    return texts


def _prose(text: str) -> str:
    return inspect.cleandoc(text).replace("``", "`")


def _kinds() -> dict[str, Any]:
    import sys

    found: dict[str, Any] = {}
    for name, module in list(sys.modules.items()):
        if name.startswith(("mlops_nb.model", "mlops_nb.server")):
            for kind in vars(module).values():
                if isinstance(kind, type) and kind.__module__.startswith("mlops_nb."):
                    found[kind.__name__] = kind
    return found


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
