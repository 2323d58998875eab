"""The server part of the JupyterLab panel: REST under ``/mlops-nb/v1/`` and events.

`routes` says what there is; `handler` checks a request and hands it to a `pool` of worker
processes, where `operations` answer it by `mlops_nb.api`. The server's own process imports none of
the heavy packages; `follow` and `saves` tell on Jupyter's event bus what happens.
"""

from __future__ import annotations

from typing import Any

from mlops_nb import __version__

__all__ = ["__version__"]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from mlops_nb.server.extension import MlopsNbExtension

    return [{"module": "mlops_nb.server.extension", "app": MlopsNbExtension}]
