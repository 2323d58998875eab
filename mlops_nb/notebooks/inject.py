"""Puts values into a notebook: the cell ``injected-parameters`` behind the ``parameters`` cell."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from mlops_nb.errors import NotebookError
from mlops_nb.model import Json, Parameter
from mlops_nb.notebooks.cells import INJECTED_TAGS, from_node
from mlops_nb.notebooks.types import coerce, parse_type, source_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["inject", "injected_source"]


def inject(nb: Any, values: Mapping[str, Json]) -> Any:
    """Return a copy of a notebook with values set.

    Tuples, sets, dictionaries with integer keys, dates and paths keep the type that the
    ``parameters`` cell declares, which JSON alone would lose.

    Parameters
    ----------
    nb
        An nbformat node, version 4; left as it is.
    values
        Values by parameter name, ``upstream`` and ``product`` among them.

    Returns
    -------
    nbformat.NotebookNode
        With one code cell tagged ``injected-parameters`` behind the ``parameters`` cell, or on
        top where there is none. An earlier injected cell is replaced.

    Raises
    ------
    NotebookError
        The notebook's language has no translator, or the parameters cell cannot be read.
    """
    import nbformat

    new_code_cell: Any = nbformat.v4.new_code_cell
    made = copy.deepcopy(nb)
    made.cells = [
        cell
        for cell in made.cells
        if not any(tag in cell.metadata.get("tags", ()) for tag in INJECTED_TAGS)
    ]
    if not values:
        return made
    source = injected_source(made, values)
    cell = new_code_cell(source, metadata={"tags": ["injected-parameters"]})
    cell["id"] = _free_id({other.get("id") for other in made.cells})
    at = next(
        (
            index + 1
            for index, other in enumerate(made.cells)
            if other.cell_type == "code" and "parameters" in other.metadata.get("tags", ())
        ),
        0,
    )
    made.cells.insert(at, cell)
    return made


def injected_source(nb: Any, values: Mapping[str, Json]) -> str:
    """Return the source of the injected cell, in the notebook's language."""
    cells = from_node(nb)
    if cells.language == "python":
        from mlops_nb.notebooks.parameters import infer_parameters

        declared = {param.name: param for param in infer_parameters(cells)}
        lines = [
            f"{name} = {source_of(_typed(value, declared.get(name)))}"
            for name, value in values.items()
        ]
        return "\n".join(["# Parameters", *lines])
    return _translate(cells.kernel, cells.language, values)


def _typed(value: Json, declared: Parameter | None) -> Any:
    if declared is None or (declared.literal and isinstance(declared.default, str)):
        # Text by default stays text, also where the annotation calls it a date or a path.
        return value
    try:
        return coerce(value, parse_type(declared.type))
    except ValueError:
        # The values were checked where they came from; a specification may well set what an
        # unannotated default does not show.
        return value


_NAMES = {"r": "R", "c#": "C#", "f#": "F#"}
"""How papermill's translators spell languages that are written with capitals."""


def _translate(kernel: str, language: str, values: Mapping[str, Json]) -> str:
    from papermill.exceptions import PapermillException
    from papermill.translators import papermill_translators

    try:
        translator = papermill_translators.find_translator(kernel, _NAMES.get(language, language))
        return str(translator.codify(dict(values), "Parameters"))
    except (PapermillException, NotImplementedError) as error:
        raise NotebookError(
            f"parameters cannot be written in {language or kernel}: {error}",
            where="notebook",
            fix="papermill has translators for Python, R, Julia, Scala, Matlab, C#, F#, "
            "PowerShell and Bash",
        ) from error


def _free_id(taken: set[Any]) -> str:
    name, number = "injected-parameters", 1
    while name in taken:
        number += 1
        name = f"injected-parameters-{number}"
    return name
