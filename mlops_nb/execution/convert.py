"""Turns an executed notebook into the format that a product's name asks for."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from mlops_nb.errors import ExecutionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops_nb.model import Json

__all__ = ["notebook_product"]

_EXPORTERS = {
    ".html": "html",
    ".md": "markdown",
    ".rst": "rst",
    ".tex": "latex",
    ".pdf": "webpdf",
    ".py": "script",
}
"""For a product that names no exporter."""


def notebook_product(
    executed: Path, target: Path, exporter: str = "", options: Mapping[str, Json] | None = None
) -> None:
    """Write an executed notebook as a product: a copy, or a conversion by nbconvert.

    Parameters
    ----------
    executed
        The executed notebook.
    target
        The product to write.
    exporter
        nbconvert's name of the format; found by the product's suffix where it is empty.
    options
        Keyword arguments of the exporter.

    Raises
    ------
    ExecutionError
        The format is not known, or the conversion fails.
    """
    suffix = target.suffix.lower()
    exporter = exporter or ("ipynb" if suffix == ".ipynb" else _EXPORTERS.get(suffix, ""))
    if exporter == "ipynb":
        shutil.copyfile(executed, target)
        return
    if not exporter:
        raise ExecutionError(
            f'a notebook cannot become a "{suffix}" file',
            where=str(target),
            fix=f"use one of .ipynb, {', '.join(_EXPORTERS)}",
        )
    # Here, not above: nbconvert takes half a second to import and most products are notebooks.
    from nbconvert.exporters import get_exporter
    from nbconvert.exporters.base import ExporterNameError
    from nbconvert.utils.exceptions import ConversionException

    try:
        maker = get_exporter(exporter)
        body, _ = maker(**dict(options or {})).from_filename(str(executed))
    except (
        ConversionException,
        ExporterNameError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ExecutionError(
            f"the notebook cannot be converted: {error}", where=str(target)
        ) from error
    target.write_bytes(body if isinstance(body, bytes) else body.encode())
