"""Reads a run's parameters as people write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_nb.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_nb.model import Json

__all__ = ["parse_parameters"]


def parse_parameters(pairs: Sequence[str], file: str | Path | None = None) -> dict[str, Json]:
    """Read parameters from ``NAME=VALUE`` texts and a YAML or JSON file; the texts win.

    Values from texts stay text here: they get their type from the notebook that declares them.

    Raises
    ------
    ParameterError
        A text has no ``=``, or the file cannot be read or holds no mapping.
    """
    values: dict[str, Json] = {}
    if file is not None:
        import yaml

        try:
            text = Path(file).read_text(encoding="utf-8")
            # YAML 1.1 is no superset of JSON: it takes 1e6 for a text.
            loaded = json.loads(text) if str(file).endswith(".json") else yaml.safe_load(text)
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterError(f"cannot be read: {error}", where=str(file)) from error
        except yaml.YAMLError as error:
            raise ParameterError(f"is not valid YAML: {error}", where=str(file)) from error
        except json.JSONDecodeError as error:
            raise ParameterError(f"is not valid JSON: {error}", where=str(file)) from error
        if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
            raise ParameterError(
                "holds no parameters", where=str(file), fix="write one NAME: VALUE a line"
            )
        values.update(loaded)
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise ParameterError(f'"{pair}" is no parameter', fix="write it as NAME=VALUE")
        values[name.strip()] = text
    return values
