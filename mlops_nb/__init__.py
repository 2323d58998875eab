"""mlops-nb: from notebook to production without leaving the notebook.

The public names are loaded when first used, so ``import mlops_nb`` costs nothing in a kernel.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlops_nb.api.byhand import resolve, sample
    from mlops_nb.api.names import load_model, read_manifest, register_model, save_model
    from mlops_nb.errors import MlopsNbError
    from mlops_nb.monitoring.profile import Profile, profile
    from mlops_nb.monitoring.reference import Reference

__version__ = "0.1.0"

__all__ = [
    "MlopsNbError",
    "Profile",
    "Reference",
    "__version__",
    "load_model",
    "profile",
    "read_manifest",
    "register_model",
    "resolve",
    "sample",
    "save_model",
]

_HOME = {
    "MlopsNbError": "mlops_nb.errors",
    "Profile": "mlops_nb.monitoring.profile",
    "Reference": "mlops_nb.monitoring.reference",
    "load_model": "mlops_nb.api.names",
    "profile": "mlops_nb.monitoring.profile",
    "read_manifest": "mlops_nb.api.names",
    "register_model": "mlops_nb.api.names",
    "resolve": "mlops_nb.api.byhand",
    "sample": "mlops_nb.api.byhand",
    "save_model": "mlops_nb.api.names",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
