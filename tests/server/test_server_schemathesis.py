"""Made-up requests for every endpoint: none ends in a fault, each answer is as described."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)
from server_kit import TOKEN, Server, description

pytestmark = pytest.mark.slow
pytest_plugins = ["schemathesis.pytest.plugin"]

EXAMPLES = int(os.environ.get("MLOPS_NB_SCHEMATHESIS_EXAMPLES", "15"))
CHECKS = (status_code_conformance, response_schema_conformance)
schema = schemathesis.openapi.from_dict(description())


@pytest.fixture(scope="module")
def fuzzed(root: Path, models: str):
    """A server that nothing else uses."""
    made = Server(root, root.parent / "fuzzed")
    made.get("/pipeline", project=models)  # Ploomber's first load takes seconds
    yield made
    made.client.close()
    made.stop()


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_no_request_breaks_anything(case, fuzzed: Server) -> None:
    if case.query is not None and "project" in case.query and len(case.query) % 2:
        case.query["project"] = "models"  # a random name would only ever find no project
    headers = {"Authorization": f"token {TOKEN}"}
    response = case.call(base_url=f"http://127.0.0.1:{fuzzed.port}", headers=headers, timeout=170)
    assert response.status_code < 500, response.text
    case.validate_response(response, checks=CHECKS, headers=headers)
