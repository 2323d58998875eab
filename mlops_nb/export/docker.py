"""Docker: an image of the project, and a compose file for the pipeline, MLflow and the monitor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops_nb.export.jobs import plan_work
from mlops_nb.export.quoting import dockerfile_json, dump_yaml, shell_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops_nb.export.jobs import Work
    from mlops_nb.model import Json, Pipeline

__all__ = ["USER", "DockerExporter"]

USER = 10001
"""User and group that containers run as; beyond those that a system gives out itself."""
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
            "Dockerfile": work.header("docker") + _dockerfile(work),
            ".dockerignore": work.header("docker") + _IGNORED + _products(work),
            "compose.yaml": work.header("docker") + dump_yaml(_compose(work)),
        }


def folders(work: Work) -> list[str]:
    """Return the folders that a run writes to: the state, and the topmost one of each product."""
    found = {".mlops"}
    for task in work.pipeline.tasks:
        for product in task.products:
            top, inside, _ = product.path.partition("/")
            if product.is_file and inside:
                found.add(top)
    return sorted(found)


def _dockerfile(work: Work) -> str:
    settings = work.settings
    install = [_run(command, cached=not settings.install) for command in settings.install_commands]
    writable = shell_words(["install", "-d", "-o", str(USER), "-g", str(USER), *folders(work)])
    lines = [
        f"FROM {settings.python_image} AS build",
        "ENV PIP_DISABLE_PIP_VERSION_CHECK=1",
        "WORKDIR /app",
        "RUN python -m venv /opt/venv",
        "ENV PATH=/opt/venv/bin:$PATH",
        "# The lock alone comes first: the layer below is made again only when it changes.",
        f"COPY {settings.lock} {settings.lock}",
        *install,
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
        "MLOPS_NB_TRACKING_URI": "http://mlflow:5000",
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
    probe = "import urllib.request as r; r.urlopen('http://127.0.0.1:5000/health', timeout=5)"
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
                    *("--host", "0.0.0.0", "--port", "5000"),  # noqa: S104 - inside the network of the services
                    *("--allowed-hosts", "mlflow:5000,localhost:5000,127.0.0.1:5000"),
                    *("--backend-store-uri", "sqlite:////app/.mlops/mlflow.db"),
                    *("--artifacts-destination", "/app/.mlops/artifacts"),
                ],
                "ports": ["127.0.0.1:5000:5000"],
                "volumes": [{"type": "volume", "source": "tracking", "target": "/app/.mlops"}],
                "healthcheck": {
                    "test": ["CMD", "python", "-c", probe],
                    "interval": "10s",
                    "timeout": "10s",
                    "retries": 12,
                    "start_period": "60s",
                },
                "restart": "unless-stopped",
            },
            "monitor": {
                **guarded,
                "build": ".",
                "profiles": ["monitor"],
                "entrypoint": ["sh", "-ec"],
                "command": [_literal(settings.drift_command)],
                "environment": environment,
                "volumes": volumes,
                "depends_on": waits,
            },
        },
        "volumes": {**{_volume(folder): None for folder in folders(work)}, "tracking": None},
    }


def _volume(folder: str) -> str:
    from mlops_nb.export.naming import safe_names

    return "state" if folder == ".mlops" else f"data-{safe_names([folder])[folder]}"
