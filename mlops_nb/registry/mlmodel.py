"""The ``MLmodel`` file, by which MLflow's own clients and servers know our artifacts.

MLflow loads a model only where ``MLFLOW_ALLOW_PICKLE_DESERIALIZATION`` permits it, checks no digest
and trusts the list of types in this very file: load with `mlops_nb.registry.loading` instead.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import yaml

from mlops_nb.registry.loading import MODEL_FILES

if TYPE_CHECKING:
    from mlops_nb.model import ArtifactInfo

__all__ = ["ENVIRONMENT", "FILE", "environment", "render"]

FILE = "MLmodel"
ENVIRONMENT = "python_env.yaml"


def render(info: ArtifactInfo, types: tuple[str, ...]) -> bytes:
    """Return an artifact's ``MLmodel`` file.

    Our signature is left out: MLflow refuses integers that were read as floats beside a null.

    Parameters
    ----------
    info
        The artifact's manifest.
    types
        Types beyond skops' own list that the model file holds.
    """
    place = MODEL_FILES[info.format]
    sklearn = {
        "pickled_model": place,
        "serialization_format": info.format,
        "skops_trusted_types": list(types),
        "sklearn_version": version("scikit-learn"),
    }
    function = {
        "loader_module": "mlflow.sklearn",
        "model_path": place,
        "predict_fn": "predict",
        "python_version": info.python,
        "env": {"virtualenv": ENVIRONMENT},
    }
    content = {
        "flavors": {"python_function": function, "sklearn": sklearn},
        "metadata": {"mlops_nb": {"name": info.name, "git_commit": info.git_commit}},
        "mlflow_version": version("mlflow"),
        "utc_time_created": datetime.fromtimestamp(info.created, UTC).strftime("%Y-%m-%d %H:%M:%S"),
    }
    return yaml.safe_dump(content, sort_keys=True).encode()


def environment(info: ArtifactInfo) -> bytes:
    """Return the ``python_env.yaml`` that stands beside it."""
    content = {"python": info.python, "dependencies": ["-r requirements.txt"]}
    return yaml.safe_dump(content, sort_keys=True).encode()
