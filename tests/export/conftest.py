from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a CI system sets for itself away from the tests."""
    import os

    for name in list(os.environ):
        if name.startswith("PARAM_"):
            monkeypatch.delenv(name)
