"""What a model takes and gives, read from an example, and whether two models are compatible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops_nb.errors import RegistryError
from mlops_nb.model import Column, Signature

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "as_input",
    "check_input",
    "example_frame",
    "incompatibilities",
    "infer_signature",
    "input_kind",
]

_KINDS = {"f": "float", "i": "integer", "u": "integer", "b": "boolean", "M": "datetime"}
_WIDER = {
    "float": {"float", "integer", "boolean"},
    "integer": {"integer", "boolean"},
    "object": {"object", "string"},
}
"""What else a column of a type accepts without harm."""


def example_frame(example: Any) -> pd.DataFrame:
    """Return an input example as a frame; columns of arrays are called ``0``, ``1`` ...

    Raises
    ------
    RegistryError
        It is not a frame, an array or a list, or it has no rows.
    """
    import numpy as np
    import pandas as pd

    if isinstance(example, pd.DataFrame):
        frame = example
    elif isinstance(example, pd.Series):
        frame = example.to_frame("text" if example.name is None else str(example.name))
    elif isinstance(example, list | tuple) and all(isinstance(item, str) for item in example):
        frame = pd.DataFrame({"text": list(example)})
    else:
        array = np.asarray(example)
        if array.ndim != 2 or array.dtype == object:
            raise RegistryError(
                f"cannot be an input example: {type(example).__name__} of {array.ndim} dimensions",
                fix="give a DataFrame, a two-dimensional array or a list of texts",
            )
        frame = pd.DataFrame(array, columns=[str(index) for index in range(array.shape[1])])
    if frame.empty:
        raise RegistryError("an input example needs at least one row")
    return frame


def input_kind(example: Any) -> str:
    """Return in which shape a model takes its rows: ``frame``, ``array``, ``series`` or ``text``."""
    import pandas as pd

    if isinstance(example, pd.DataFrame):
        return "frame"
    if isinstance(example, pd.Series):
        return "series"
    texts = isinstance(example, list | tuple) and all(isinstance(item, str) for item in example)
    return "text" if texts else "array"


def as_input(takes: str, frame: pd.DataFrame) -> Any:
    """Return a frame of rows in the shape that a model takes, see `input_kind`."""
    if takes == "frame":
        return frame
    if takes == "array":
        return frame.to_numpy()
    return frame.iloc[:, 0] if takes == "series" else frame.iloc[:, 0].tolist()


def infer_signature(example: Any, output: Any) -> Signature:
    """Return the signature that an input example and the model's answer to it show."""
    import numpy as np
    import pandas as pd

    answer = output if isinstance(output, pd.DataFrame) else None
    if answer is None:
        array = np.asarray(output)
        columns = ["prediction"] if array.ndim == 1 else [str(i) for i in range(array.shape[1])]
        answer = pd.DataFrame(array.reshape(len(array), -1), columns=columns)
    return Signature(inputs=_columns(example_frame(example)), outputs=_columns(answer))


def _columns(frame: pd.DataFrame) -> tuple[Column, ...]:
    return tuple(
        Column(name=str(name), type=_type(column), nullable=bool(column.isna().any()))
        for name, column in frame.items()
    )


def _type(column: Any) -> str:
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _type(pd.Series(dtype.categories))
    kind = _KINDS.get(getattr(dtype, "kind", "O"))
    if kind:
        return kind
    known = column.dropna()
    return "string" if len(known) and all(isinstance(item, str) for item in known) else "object"


def incompatibilities(new: Signature, old: Signature) -> tuple[str, ...]:
    """Return why callers of the old model could not call the new one; empty where they can.

    A caller sends what the old model takes and reads what it gives: the new model may need no
    further column, must accept each type, and must give the same columns.
    """
    have = {column.name: column for column in old.inputs}
    found = []
    for column in new.inputs:
        before = have.get(column.name)
        if before is None:
            found.append(f'needs a further column "{column.name}" ({column.type})')
        elif before.type not in _WIDER.get(column.type, {column.type}):
            found.append(f'column "{column.name}" was {before.type}, is {column.type}')
    gives = {column.name: column.type for column in new.outputs}
    for column in old.outputs:
        if column.name not in gives:
            found.append(f'no longer gives "{column.name}"')
        elif gives[column.name] != column.type:
            found.append(f'gives "{column.name}" as {gives[column.name]}, was {column.type}')
    return tuple(found)


def check_input(signature: Signature, data: Any) -> pd.DataFrame:
    """Return the data as the frame a model takes, its columns in order.

    Integers pass for floats and whole floats with nulls for integers, as every reader of CSV and
    JSON makes them.

    Raises
    ------
    RegistryError
        A column is missing or has a type the model was not trained on; all are named.
    """
    frame = example_frame(data)
    if not signature.inputs:
        return frame
    frame = frame.rename(columns=str)
    wrong = []
    for column in signature.inputs:
        if column.name not in frame.columns:
            wrong.append(f'"{column.name}" is missing')
            continue
        kind = _type(frame[column.name])
        accepted = _WIDER.get(column.type, {column.type}) | {"float"} & {_promoted(column.type)}
        if kind not in accepted and not frame[column.name].isna().all():
            wrong.append(f'"{column.name}" is {kind}, should be {column.type}')
    if wrong:
        raise RegistryError(
            f"does not fit the model's signature: {'; '.join(wrong)}", where="input"
        )
    return frame[[column.name for column in signature.inputs]]


def _promoted(kind: str) -> str:
    return "float" if kind in ("integer", "boolean") else ""
