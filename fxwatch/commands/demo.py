"""`fxwatch demo`: a real PPO run on real prices, the daemon explaining it, the monitor on top."""

import importlib.util
import sys
from pathlib import Path

from fxwatch import exit_codes
from fxwatch.commands.tui import watch
from fxwatch.config import load_config
from fxwatch.demo.session import CONFIG, Session, SessionError
from fxwatch.records.lines import COMPLETED, LINES_AN_ANALYSIS
from fxwatch.store.layout import Store
from fxwatch.terminal import say, tell


def demo(folder: Path | None, *, headless: bool, analyses: int) -> int:
    """Run it until the user quits, or, without a terminal, until so many analyses are made. Returns the exit code."""
    if importlib.util.find_spec("stable_baselines3") is None:
        say("fxwatch: the demo trains with Stable-Baselines3; install it by `pip install 'fxwatch[demo]'`")
        return exit_codes.USAGE
    config = load_config(CONFIG).config
    watched = folder if folder is not None else Path(config.watch.dir)
    store = Store.of(watched.absolute(), None)
    watched.mkdir(parents=True, exist_ok=True)
    if strangers := [path.name for path in watched.iterdir() if not _is_ours(path, store)]:
        say(f"fxwatch: {watched} holds other files ({', '.join(sorted(strangers)[:3])}); the demo needs an empty one")
        return exit_codes.USAGE
    quiet = headless or not sys.stdout.isatty()
    try:
        with Session(watched, echo=quiet) as session:
            if quiet:
                return _follow(session, analyses, store)
            say(f"fxwatch: training and explaining in {session.folder}; the monitor comes with the daemon's first sign")
            session.wait_for(store.status)
            code = watch(store, watched)
            session.check()
            return code
    except SessionError as error:
        say(f"fxwatch: {error}")
        return exit_codes.FAILURE
    except KeyboardInterrupt:
        return exit_codes.OK
    return exit_codes.OK


def _follow(session: Session, analyses: int, store: Store) -> int:
    """Print the daemon's lines until so many analyses are complete, each to its last line."""
    say(f"fxwatch: training and explaining in {session.folder} until {analyses} analyses are made")
    made, lines_left = 0, 0
    for line in session.lines():
        tell(line)
        made += line == COMPLETED
        lines_left = LINES_AN_ANALYSIS if line == COMPLETED else lines_left
        lines_left -= 1
        if made >= analyses and lines_left == 0:
            break
    say(f"fxwatch: results in {store.root}; look at them with `fxwatch tui {session.folder}`")
    return exit_codes.OK


def _is_ours(path: Path, store: Store) -> bool:
    return path.absolute() == store.root or path.name.startswith(("demo-", "."))
