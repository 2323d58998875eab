"""mlops-nb: from notebook to production without leaving the notebook.

The public names are loaded when first used, so ``import mlops_nb`` costs nothing in a kernel.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_nb.api.byhand import resolve, sample
    from mlops_nb.errors import MlopsNbError

__version__ = "0.1.0"

__all__ = ["MlopsNbError", "__version__", "resolve", "sample"]

_HOME = {
    "MlopsNbError": "mlops_nb.errors",
    "resolve": "mlops_nb.api.byhand",
    "sample": "mlops_nb.api.byhand",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
