"""What Kubernetes and Argo share: containers that may do as little as possible."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops_nb.export.docker import USER

if TYPE_CHECKING:
    from mlops_nb.export.jobs import Work

__all__ = [
    "WORK",
    "argo_text",
    "environment",
    "image",
    "largest",
    "literal",
    "mounts",
    "names",
    "pod",
    "resources",
    "restricted",
    "temporary",
    "volumes",
]

WORK = "/work"
"""Where a container works: a volume, since the image itself cannot be written to."""
_MEMORY_MB = 2048
_TEMPORARY = "2Gi"


def image(work: Work) -> str:
    """Return the image that holds the project."""
    return work.settings.image or f"{work.slug}:local"


def names(work: Work) -> dict[str, str]:
    """Return the names of the objects that belong to the pipeline."""
    settings = work.settings
    return {
        "config": f"{work.slug}-parameters",
        "secret": settings.secret_name or f"{work.slug}-secrets",
        "volume": settings.volume or f"{work.slug}-state",
    }


def literal(text: str) -> str:
    """Return a text in which Kubernetes finds no ``$(VARIABLE)`` to put a value in for."""
    return re.sub(r"\$(?=[$(])", "$$", text)


def argo_text(text: str) -> str:
    """Return a value in which Argo finds no template but one that gives a pair of braces."""
    return text.replace("{{", "{{='{' + '{'}}")


def environment(work: Work) -> list[dict[str, Any]]:
    """Return the variables of a container; secrets by reference."""
    fixed = {"HOME": "/tmp", "TMPDIR": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}  # noqa: S108 - the pod's own
    fixed |= work.settings.env
    secret = names(work)["secret"]
    return [
        *({"name": name, "value": literal(value)} for name, value in fixed.items()),
        *(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}}
            for name in work.settings.secrets
        ),
    ]


def resources(cpu: float, memory_mb: int) -> dict[str, Any]:
    """Return what a container asks for and may take: memory is bounded, cores only shared."""
    memory = f"{memory_mb or _MEMORY_MB}Mi"
    return {
        "requests": {"cpu": f"{max(1, round(cpu * 1000))}m", "memory": memory},
        "limits": {"memory": memory},
    }


def largest(work: Work) -> dict[str, Any]:
    """Return what a container asks for that runs the whole pipeline: as much as the largest task."""
    tasks = [task.policy for task in work.pipeline.tasks]
    return resources(max(policy.cpu for policy in tasks), max(policy.memory_mb for policy in tasks))


def restricted() -> dict[str, Any]:
    """Return a container's security context: the restricted profile, and nothing to write on."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def pod() -> dict[str, Any]:
    """Return a pod's security context."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def volumes(work: Work) -> list[dict[str, Any]]:
    """Return the volumes of a pod that works on a fresh copy of the project."""
    shared = {"claimName": work.settings.cache_volume}
    cache = [{"name": "cache", "persistentVolumeClaim": shared}] if shared["claimName"] else []
    return [{"name": "work", "emptyDir": {}}, temporary(), *cache]


def mounts(work: Work) -> list[dict[str, Any]]:
    """Return where they are mounted."""
    places = {"work": WORK, "temporary": "/tmp"}  # noqa: S108 - the pod's own
    if work.settings.cache_volume:
        places["cache"] = work.settings.cache
    return [{"name": name, "mountPath": place} for name, place in places.items()]


def temporary() -> dict[str, Any]:
    """Return the volume for temporary files."""
    return {"name": "temporary", "emptyDir": {"sizeLimit": _TEMPORARY}}
