"""``mlops-nb monitor serve | rules | dashboard``."""

from __future__ import annotations

import click

from mlops_nb.cli import output

__all__ = ["dashboard", "rules", "serve"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="There is no authentication.")
@click.option("--port", default=9187, show_default=True, help="0 for any free one.")
@click.option(
    "--textfile", default=None, metavar="FILE.prom", help="Write the series once, and do not serve."
)
@click.option("--push", "gateway", default=None, metavar="URL", help="Push them once, instead.")
@click.option("--job", default="mlops-nb", show_default=True, help="The pushed series' job.")
@output.json_option
@click.pass_obj
def serve(
    project: str | None,
    host: str,
    port: int,
    textfile: str | None,
    gateway: str | None,
    job: str,
    as_json: bool,
) -> None:
    """Expose drift, alerts, performance and runs to Prometheus, until interrupted.

    \b
    Examples:
      mlops-nb monitor serve --port 9187
      mlops-nb monitor serve --textfile /var/lib/node_exporter/mlops-nb.prom
      mlops-nb monitor serve --push http://gateway:9091
    """
    from mlops_nb.api import metrics

    if textfile or gateway:
        done = {}
        if textfile:
            done["textfile"] = str(metrics.write_textfile(project, textfile))
        if gateway:
            metrics.push(project, gateway, job=job)
            done["gateway"] = gateway
        if as_json:
            output.print_json(done)
        else:
            for where in done.values():
                click.echo(where)
        return
    server, thread = metrics.serve(project, host=host, port=port)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{server.server_port}/metrics"
    if as_json:
        output.print_json({"url": url})
    else:
        output.console().print(f"[green]✓[/green] {url}  (Ctrl-C ends it)")
    try:
        thread.join()
    finally:
        server.shutdown()
        server.server_close()


@click.command()
@click.argument("folder", default=".")
@output.json_option
def rules(folder: str, as_json: bool) -> None:
    """Write Prometheus' alert rules, and their tests for promtool, into FOLDER.

    \b
    Examples:
      mlops-nb monitor rules prometheus/ && promtool test rules prometheus/mlops-nb.rules.test.yml
    """
    from mlops_nb.api.metrics import write_rules

    written = [str(path) for path in write_rules(folder)]
    if as_json:
        output.print_json(written)
    else:
        for path in written:
            click.echo(path)


@click.command()
@click.argument("file", default="mlops-nb.dashboard.json")
@output.json_option
def dashboard(file: str, as_json: bool) -> None:
    """Write a Grafana dashboard into FILE, to be imported or provisioned.

    \b
    Examples:
      mlops-nb monitor dashboard grafana/flights.json
    """
    from mlops_nb.api.metrics import write_dashboard

    written = str(write_dashboard(file))
    if as_json:
        output.print_json({"file": written})
    else:
        click.echo(written)
