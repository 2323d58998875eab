"""The description is true: made from the routes, whole, and valid."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest
import yaml

from mlops_nb.server import openapi
from mlops_nb.server.records import PanelEventKind
from mlops_nb.server.routes import PREFIX, ROUTES


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The description of all routes; to make it takes seconds."""
    return openapi.document()


def test_openapi_file_is_what_the_routes_say() -> None:
    assert openapi.PATH.read_text("utf-8") == openapi.render(), (
        "run python -m mlops_nb.server.openapi"
    )


def test_openapi_has_each_route_and_nothing_else() -> None:
    described = {
        (method.upper(), path.removeprefix(PREFIX))
        for path, operations in yaml.safe_load(openapi.PATH.read_text("utf-8"))["paths"].items()
        for method in operations
    }
    assert described == {(route.method, route.path) for route in ROUTES}


def test_openapi_refers_to_nothing_that_is_missing(document: dict[str, Any]) -> None:
    for kind, name in re.findall(r"#/components/(\w+)/([\w.]+)", str(document)):
        assert name in document["components"][kind]
    ids = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    assert len(ids) == len(set(ids))


def test_openapi_describes_fields_with_their_docstrings(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert "never ran" in schemas["TaskView"]["properties"]["last"]["description"]
    assert schemas["TaskView"]["required"] == list(schemas["TaskView"]["properties"])
    assert "required" not in schemas["RunRequest"] or not schemas["RunRequest"]["required"]
    assert "`died`" in schemas["TaskStatus"]["description"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.area}.{route.name}")
def test_route_has_a_function_that_answers(route) -> None:
    if route.lane == "here":
        return
    module = import_module(f"mlops_nb.server.operations.{route.area}")
    assert callable(getattr(module, route.name))
    assert route.name in module.__all__


def test_event_kinds_are_those_of_runs_and_more() -> None:
    from mlops_nb.model import EventKind

    assert {kind.value for kind in EventKind} < {kind.value for kind in PanelEventKind}
