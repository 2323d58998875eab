"""The records that stages hand to one another.

Every record is frozen and typed; `encode` and `decode` turn it into JSON and back, checking each
field. A stage knows the records it is handed and nothing of the stage they came from.
"""

from mlops_nb.model.attempts import Attempt
from mlops_nb.model.base import Json, Record, decode, encode, to_builtins
from mlops_nb.model.runs import (
    CellRun,
    ErrorInfo,
    Event,
    EventKind,
    Run,
    RunFacts,
    RunStatus,
    TaskRun,
    TaskStatus,
)
from mlops_nb.model.tasks import (
    Action,
    Fingerprint,
    Parameter,
    Pipeline,
    Plan,
    PlanItem,
    Product,
    Reason,
    Task,
    TaskKind,
    TaskPolicy,
)

__all__ = [
    "Action",
    "Attempt",
    "CellRun",
    "ErrorInfo",
    "Event",
    "EventKind",
    "Fingerprint",
    "Json",
    "Parameter",
    "Pipeline",
    "Plan",
    "PlanItem",
    "Product",
    "Reason",
    "Record",
    "Run",
    "RunFacts",
    "RunStatus",
    "Task",
    "TaskKind",
    "TaskPolicy",
    "TaskRun",
    "TaskStatus",
    "decode",
    "encode",
    "to_builtins",
]
