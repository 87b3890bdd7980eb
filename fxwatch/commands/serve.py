"""`fxwatch serve`: the monitor, reports, JSON and metrics in the browser, on this machine alone."""

import secrets
import sys
from pathlib import Path

from fxwatch import exit_codes
from fxwatch.commands.configured import configured
from fxwatch.config import Config, ConfigError
from fxwatch.store.layout import Store
from fxwatch.terminal import say

_SHORTEST_TOKEN = 16


def serve(folder: Path | None, config_file: Path | None, port: int | None) -> int:
    """Serve until the user ends it. Returns the exit code."""
    found = configured(config_file, folder)
    config, watched = found.config, found.watched.absolute()
    if not watched.is_dir():
        say(f"fxwatch: {watched} is not a folder; name the one that training writes to, as in `fxwatch serve outputs/`")
        return exit_codes.NOTHING
    try:
        from fxwatch.serve.guard import TOKEN, Guard
        from fxwatch.serve.results import Results
        from fxwatch.serve.server import MonitorServer, listen
    except ImportError:
        say("fxwatch: to serve, type `pip install 'fxwatch[serve]'`")
        return exit_codes.FAILURE
    token = _token(config)
    port = config.serve.port if port is None else port
    try:
        listening = listen(port)
    except OSError as error:
        say(f"fxwatch: port {port} cannot be served ({error.strerror}); choose another one with --port")
        return exit_codes.FAILURE
    monitor = [sys.executable, "-m", "fxwatch", "tui", str(watched), *found.option]
    results = Results(Store.of(watched, config.store.dir))
    port = listening.getsockname()[1]
    server = MonitorServer(monitor, port, Guard(token, port), results, config.serve.sessions)
    sys.stdout.write(f"http://localhost:{port}/?{TOKEN}={token}\n")
    sys.stdout.flush()
    say(f"fxwatch: serving {watched}; from elsewhere: ssh -L {port}:localhost:{port} HOST; Ctrl-C ends it")
    server.run(listening)
    return exit_codes.OK


def _token(config: Config) -> str:
    """A new one, or that of the file. Raises ConfigError."""
    if config.serve.token_file is None:
        return secrets.token_urlsafe(24)
    path = Path(config.serve.token_file)
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"[serve] token_file {path} cannot be read: {error}") from None
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"[serve] token_file {path} must hold one word of at least {_SHORTEST_TOKEN} plain characters"
        )
    return token
