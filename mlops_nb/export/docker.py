"""Docker: an image of the project, and a compose file for the pipeline, MLflow and the monitor."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlops_nb.export.drift import plan_drift
from mlops_nb.export.jobs import plan_work
from mlops_nb.export.quoting import comment, dockerfile_json, dump_yaml, shell_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.export.jobs import Work
    from mlops_nb.model import Json, Pipeline

__all__ = ["USER", "DockerExporter"]

USER = 10001
"""User and group that containers run as; beyond those that a system gives out itself."""
_TRACKING = 5000
_METRICS = 9187
_TELEMETRY = "DO_NOT_TRACK=true MLFLOW_DISABLE_TELEMETRY=true PLOOMBER_STATS_ENABLED=false"
_IGNORED = """\
.git
.github
.gitlab-ci.yml
.mlops
.venv
venv
.tools
**/__pycache__
**/.ipynb_checkpoints
**/.pytest_cache
**/.*.metadata
# Nothing that may hold a secret becomes part of an image.
**/.env*
**/*.pem
**/*.key
**/id_rsa*
**/.netrc
**/.pypirc
"""


class DockerExporter:
    """Writes ``Dockerfile``, ``.dockerignore`` and ``compose.yaml``."""

    title = "Docker"
    description = "An image of the project, and a compose file with MLflow and the monitor."

    def render(self, pipeline: Pipeline, settings: Mapping[str, Json]) -> Mapping[str, str]:
        """Return the three files."""
        work = plan_work(pipeline, settings)
        return {
            "Dockerfile": work.header("docker") + _pinned(work) + _dockerfile(work),
            ".dockerignore": work.header("docker") + _IGNORED + _products(work),
            "compose.yaml": work.header("docker") + dump_yaml(_compose(work)),
        }


def folders(work: Work) -> list[str]:
    """Return the folders that a run writes to: the state, and those of the products.

    Each is the topmost one that holds no source of a task: a volume in its place would go on
    showing the sources of an older image.
    """
    sources = {
        parent.as_posix() for task in work.pipeline.tasks for parent in _parents(task.source)
    }
    found = {".mlops"}
    for task in work.pipeline.tasks:
        for product in task.products:
            # From the top down; the last one is the product's own folder.
            parents = [one.as_posix() for one in _parents(product.path)] if product.is_file else []
            if parents:
                found.add(next((one for one in parents if one not in sources), parents[-1]))
    return sorted(one for one in found if not any(one.startswith(f"{other}/") for other in found))


def _parents(path: str) -> list[PurePosixPath]:
    return list(PurePosixPath(path).parents)[-2::-1]


def _pinned(work: Work) -> str:
    if "@sha256:" in work.settings.python_image:
        return ""
    return comment(
        'The base image is not pinned: set base-image = "name@sha256:..." in the settings.'
    )


def _dockerfile(work: Work) -> str:
    settings = work.settings
    lock = [_run(command, cached=True) for command in settings.install_lock]
    project = [_run(command, cached=not settings.install) for command in settings.install_project]
    writable = shell_words(["install", "-d", "-o", str(USER), "-g", str(USER), *folders(work)])
    lines = [
        f"FROM {settings.python_image} AS build",
        "ENV PIP_DISABLE_PIP_VERSION_CHECK=1",
        "WORKDIR /app",
        "RUN python -m venv /opt/venv",
        "ENV PATH=/opt/venv/bin:$PATH",
        # The lock alone comes first: the layer below it is made again only when it changes.
        *([f"COPY {settings.lock} {settings.lock}", *lock] if lock else []),
        *(["COPY . .", *project] if project else []),
        "",
        f"FROM {settings.python_image}",
        f"RUN groupadd --gid {USER} mlops && \\",
        f"    useradd --uid {USER} --gid {USER} --create-home --shell /usr/sbin/nologin mlops",
        "COPY --from=build /opt/venv /opt/venv",
        "ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \\",
        f"    {_TELEMETRY}",
        "WORKDIR /app",
        f"COPY --chown={USER}:{USER} . .",
        "# What a run writes; everything else stays as it was built.",
        _run(f"chown {USER}:{USER} /app && {writable}"),
        f"USER {USER}:{USER}",
        'ENTRYPOINT ["mlops-nb"]',
        'CMD ["run"]',
    ]
    return "\n".join(lines) + "\n"


def _run(command: str, *, cached: bool = False) -> str:
    """Return a RUN line; the exec form where a line of a Dockerfile cannot hold the command."""
    mount = "--mount=type=cache,target=/root/.cache/pip " if cached else ""
    if "\n" in command or "\\" in command or not command.isprintable():
        return f"RUN {mount}{dockerfile_json(['sh', '-ec', command])}"
    return f"RUN {mount}{command}"


def _products(work: Work) -> str:
    lines = ["# Products are made in the container."]
    for task in work.pipeline.tasks:
        # A question mark stands for a character that would mean something here.
        lines += [
            re.sub(r"[^A-Za-z0-9._/-]", "?", product.path)
            for product in task.products
            if product.is_file
        ]
    return "\n".join([lines[0], *sorted(set(lines[1:]))]) + "\n"


def _literal(value: str) -> str:
    return value.replace("$", "$$")


def _compose(work: Work) -> dict[str, Any]:
    settings = work.settings
    image = settings.image or f"{work.slug}:local"
    environment: dict[str, str | None] = {
        "MLOPS_NB_TRACKING_URI": f"http://mlflow:{_TRACKING}",
        **{name: _literal(value) for name, value in settings.env.items()},
        # Without a value: taken from the environment that compose is started in.
        **dict.fromkeys(settings.secrets),
    }
    given = {one.env: f"${{{one.env}:-}}" for one in work.inputs}
    guarded: dict[str, Any] = {
        "image": image,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "init": True,
    }
    volumes = [
        # The long form takes any name; a short one ends at a colon.
        {"type": "volume", "source": _volume(folder), "target": _literal(f"/app/{folder}")}
        for folder in folders(work)
    ]
    waits = {"mlflow": {"condition": "service_healthy"}}
    drift = plan_drift(work)
    check = drift and {
        **guarded,
        "build": ".",
        # Started by hand or by a timer: docker compose run drift
        "profiles": ["drift"],
        "entrypoint": ["sh", "-ec"],
        "command": [_literal(drift.command)],
        "environment": environment,
        "volumes": volumes,
        "depends_on": waits,
    }
    return {
        "name": work.slug,
        "services": {
            "pipeline": {
                **guarded,
                "build": ".",
                "entrypoint": ["sh", "-ec"],
                "command": [_literal(work.run())],
                "environment": {**environment, **given},
                "volumes": volumes,
                "depends_on": waits,
            },
            "mlflow": {
                **guarded,
                "build": ".",
                "entrypoint": ["mlflow", "server"],
                "command": [
                    *("--host", "0.0.0.0", "--port", str(_TRACKING)),  # noqa: S104 - inside the network of the services
                    *(
                        "--allowed-hosts",
                        ",".join(
                            f"{host}:{_TRACKING}" for host in ("mlflow", "localhost", "127.0.0.1")
                        ),
                    ),
                    *("--backend-store-uri", "sqlite:////app/.mlops/mlflow.db"),
                    *("--artifacts-destination", "/app/.mlops/artifacts"),
                ],
                "ports": [f"127.0.0.1:{_TRACKING}:{_TRACKING}"],
                "volumes": [{"type": "volume", "source": "tracking", "target": "/app/.mlops"}],
                "healthcheck": _alive(_TRACKING, "health"),
                "restart": "unless-stopped",
            },
            "monitor": {
                **guarded,
                "build": ".",
                "command": ["monitor", "serve", "--host", "0.0.0.0", "--port", str(_METRICS)],  # noqa: S104
                "environment": environment,
                "ports": [f"127.0.0.1:{_METRICS}:{_METRICS}"],
                "volumes": volumes,
                "depends_on": waits,
                "healthcheck": _alive(_METRICS, "metrics"),
                "restart": "unless-stopped",
            },
            **({"drift": check} if check else {}),
        },
        "volumes": {**{_volume(folder): None for folder in folders(work)}, "tracking": None},
    }


def _alive(port: int, page: str) -> dict[str, Any]:
    """Return how a service is asked whether it serves."""
    address = f"http://127.0.0.1:{port}/{page}"
    return {
        "test": [
            "CMD",
            "python",
            "-c",
            f"import urllib.request as r; r.urlopen('{address}', timeout=5)",
        ],
        "interval": "10s",
        "timeout": "10s",
        "retries": 12,
        "start_period": "60s",
    }


def _volume(folder: str) -> str:
    from mlops_nb.export.naming import safe_names

    return "state" if folder == ".mlops" else f"data-{safe_names([folder])[folder]}"
