"""The commands. Each imports what it needs when it is run, so that help and status are quick and need no torch."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fxwatch import __version__, exit_codes

app = typer.Typer(
    name="fxwatch",
    help="Watches a PyTorch trading policy while it trains: which features drive it, is it healthy, "
    "since when, what to do.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"Exit codes: {', '.join(f'{code} {meaning}' for code, meaning in exit_codes.MEANINGS.items())}.",
)

Level = Literal["unknown", "warn", "bad"]
Folder = Annotated[
    Path | None,
    typer.Argument(metavar="DIR", help="Folder that training writes to.", show_default="[watch] dir: outputs"),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file.", show_default="./config.toml")
]
FailOn = Annotated[Level | None, typer.Option("--fail-on", help="Exit with 3 when health is at or below this level.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """The `fxwatch` command: problems that the user can mend end in one sentence, not in a traceback."""
    from fxwatch.mendable import MendableError
    from fxwatch.terminal import clean, open_streams

    open_streams()
    try:
        app()
    except MendableError as error:
        typer.echo(f"fxwatch: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except OSError as error:
        what = error.filename if isinstance(error.filename, str) else "a file or folder"
        typer.echo(f"fxwatch: {clean(what)} cannot be used: {error.strerror or error}", err=True)
        raise SystemExit(exit_codes.FAILURE) from None


def _version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        typer.echo(f"fxwatch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


config_app = typer.Typer(help="Write, show and check the configuration.", no_args_is_help=True)
app.add_typer(config_app, name="config")


@app.command()
def daemon(
    folder: Folder = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Analyse what is complete now, and exit.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Start `fxwatch serve` beside it.")] = False,
    config: ConfigFile = None,
    fail_on: FailOn = None,
) -> None:
    """Watch a folder: explain every new checkpoint over the newest dumped states."""
    from fxwatch.commands.daemon import daemon as run

    raise typer.Exit(run(folder, config, once=once, serve=serve, fail_on=fail_on))


@app.command()
def tui(
    folder: Folder = None,
    *,
    config: ConfigFile = None,
    once: Annotated[bool, typer.Option("--once", help="Print what the screens show as plain text, and exit.")] = False,
    only_ascii: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII alone.")] = False,
    low_bandwidth: Annotated[bool, typer.Option("--low-bandwidth", help="Look, and draw, every 5 s only.")] = False,
    mouse: Annotated[bool, typer.Option(help="Take the mouse; without it the terminal's own selection works.")] = False,
    light: Annotated[
        bool | None, typer.Option("--light/--dark", help="The terminal's ground.", show_default="by $COLORFGBG")
    ] = None,
) -> None:
    """Watch the results live in the terminal."""
    from fxwatch.commands.tui import Manners
    from fxwatch.commands.tui import tui as run

    raise typer.Exit(run(folder, config, Manners(only_ascii, low_bandwidth, mouse, light), once=once))


@app.command()
def status(
    folder: Folder = None, *, config: ConfigFile = None, as_json: AsJson = False, fail_on: FailOn = None
) -> None:
    """Print the verdict on every run, worst first."""
    from fxwatch.commands.status import status as run

    raise typer.Exit(run(folder, config, as_json=as_json, fail_on=fail_on))


@app.command()
def demo(
    folder: Folder = None,
    *,
    headless: Annotated[bool, typer.Option("--headless", help="Print results instead of the monitor.")] = False,
    analyses: Annotated[int, typer.Option(min=1, help="Without the monitor: exit after so many.")] = 3,
) -> None:
    """Try it all: a real PPO run on real prices, explained as it trains."""
    from fxwatch.commands.demo import demo as run

    raise typer.Exit(run(folder, headless=headless, analyses=analyses))


@app.command()
def report(
    folder: Folder = None,
    *,
    html: Annotated[bool, typer.Option("--html", help="One HTML file of all runs, fit to mail.")] = False,
    config: ConfigFile = None,
) -> None:
    """Draw the newest analysis of each run anew, or write them as one HTML file."""
    from fxwatch.commands.report import report as run

    raise typer.Exit(run(folder, config, html=html))


@app.command()
def export(
    folder: Folder = None,
    *,
    form: Annotated[Literal["csv", "parquet", "json"], typer.Option("--format", help="Kind of file.")] = "csv",
    table: Annotated[
        Literal["features", "analyses", "training"],
        typer.Option(help="A row for every feature of every analysis, for every analysis, or by the recorder."),
    ] = "features",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write.", show_default="stdout")] = None,
    config: ConfigFile = None,
) -> None:
    """Write what was found as a table: features with their importance by step, the headline numbers, or training."""
    from fxwatch.commands.export import export as run

    raise typer.Exit(run(folder, config, form, table, output))


@app.command()
def sync(folder: Folder = None, config: ConfigFile = None) -> None:
    """Send what waits to Weights & Biases."""
    from fxwatch.commands.sync import sync as run

    raise typer.Exit(run(folder, config))


@app.command()
def serve(
    folder: Folder = None,
    *,
    port: Annotated[int | None, typer.Option(min=0, max=65535, show_default="[serve] port: 8051")] = None,
    config: ConfigFile = None,
) -> None:
    """Show the monitor, reports, JSON and metrics in the browser, on this machine alone."""
    from fxwatch.commands.serve import serve as run

    raise typer.Exit(run(folder, config, port))


@app.command()
def analyze(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint file.")],
    *,
    states: Annotated[Path, typer.Option(help="A dump of states: .safetensors or .npz.")],
    config: ConfigFile = None,
    output: Annotated[Path | None, typer.Option(help="Folder for analysis.json, arrays.npz and the PNG.")] = None,
    as_json: AsJson = False,
    fail_on: FailOn = None,
) -> None:
    """Explain one checkpoint over one dump, without a daemon."""
    from fxwatch.commands.analyze import analyze as run

    raise typer.Exit(run(checkpoint, states, config, output, as_json=as_json, fail_on=fail_on))


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A checkpoint, the folder of an analysis, or FILE:ROW.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one, of the same kind.")],
    *,
    states: Annotated[
        Path | None,
        typer.Option(help="For checkpoints: a dump of states.", show_default="the newest dump beside or above B"),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="For states, FILE:ROW with rows from 0: the policy that decides.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what differs between two checkpoints, two analyses, or two decisions."""
    from fxwatch.commands.compare import compare as run

    raise typer.Exit(run(a, b, states, checkpoint, config, as_json=as_json))


@app.command()
def doctor(
    path: Annotated[Path, typer.Argument(help="Any file, or a folder that training writes to.")],
    *,
    states: Annotated[
        Path | None, typer.Option(help="A dump of states.", show_default="the newest dump beside or above it")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Say what a file is, whether it can be read, what is missing, and the configuration that makes it work."""
    from fxwatch.commands.doctor import doctor as run

    raise typer.Exit(run(path, states, config))


@config_app.command("init")
def config_init(
    path: Annotated[Path | None, typer.Argument(help="File to write.", show_default="./config.toml")] = None,
) -> None:
    """Write a config.toml with every key at its default."""
    from fxwatch.commands.config import init

    raise typer.Exit(init(path))


@config_app.command("show")
def config_show(config: ConfigFile = None) -> None:
    """Print the configuration as it is used."""
    from fxwatch.commands.config import show

    raise typer.Exit(show(config))


@config_app.command("validate")
def config_validate(config: ConfigFile = None) -> None:
    """Check the configuration."""
    from fxwatch.commands.config import validate

    raise typer.Exit(validate(config))


@config_app.command("unit")
def config_unit(folder: Folder = None, *, config: ConfigFile = None) -> None:
    """Print a unit of systemd that watches a folder for months."""
    from fxwatch.commands.unit import unit

    raise typer.Exit(unit(folder, config))


@config_app.command("schema")
def config_schema(
    of: Annotated[Literal["config", "analysis"], typer.Option("--of", help="Which schema.")] = "config",
) -> None:
    """Print a JSON Schema."""
    from fxwatch.commands.config import schema

    raise typer.Exit(schema(of))
