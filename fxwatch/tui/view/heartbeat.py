"""Whether the daemon and the training live, in words. An age is told so coarsely that the words seldom change."""

from typing import Literal, NamedTuple

from fxwatch.records.base import Verdict
from fxwatch.records.status import STALE_SECONDS, DaemonStatus
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.times import seconds
from fxwatch.tui.view.commands import daemon_command
from fxwatch.tui.view.text import Line, Span, joined, line, name, quiet
from fxwatch.tui.view.words import age, count, moment

_SILENT_AFTER = 120.0
_SILENT_GAPS = 3.0


class Life(NamedTuple):
    """What a daemon's heartbeat says: `silent` is one that neither beats nor has said that it stops."""

    state: Literal["never", "starting", "watching", "stopped", "silent"]
    at: float | None = None

    @property
    def alive(self) -> bool:
        """Whether it can be counted on."""
        return self.state in {"starting", "watching"}


def life(daemon: DaemonStatus | None, now: float) -> Life:
    """The state of a daemon at a moment."""
    if daemon is None:
        return Life("never")
    at = seconds(daemon.at)
    if daemon.state == "stopped":
        return Life("stopped", at)
    if at is None or now - at > STALE_SECONDS:
        return Life("silent", at)
    return Life(daemon.state, at)


def daemon_words(snapshot: Snapshot) -> tuple[Verdict, str]:
    """The daemon in one sentence."""
    found = life(snapshot.daemon, snapshot.now)
    if found.state == "never":
        return "unknown", "no daemon has run here"
    if found.alive:
        return "ok", f"daemon {found.state}, seen <{STALE_SECONDS:.0f} s ago"
    if found.at is None:
        return "bad", f"daemon {found.state}"
    when = f"{moment(found.at, snapshot.now)}, {age(snapshot.now - found.at)} ago"
    return ("warn", f"daemon stopped {when}") if found.state == "stopped" else ("bad", f"daemon silent since {when}")


def training_words(snapshot: Snapshot) -> tuple[Verdict, str]:
    """Whether training goes on: it does as long as files or analyses come about as often as they used to."""
    if not life(snapshot.daemon, snapshot.now).alive:
        return "unknown", "training not watched"
    past = snapshot.past
    newest = snapshot.files.at
    if newest is None:
        return "unknown", "no files from training yet"
    quiet_for = max(0.0, snapshot.now - newest)
    longest = max(_SILENT_AFTER, _SILENT_GAPS * (past.gap or 0.0) if past else 0.0)
    if quiet_for <= longest:
        return "ok", f"training alive, last file {age(quiet_for)} ago"
    return "warn", f"training silent since {moment(newest, snapshot.now)}, {age(quiet_for)}"


def heartbeat(snapshot: Snapshot, width: int) -> Line:
    """Daemon and training in one line; what matters less is left out where there is no room."""
    parts = [_signed(*daemon_words(snapshot)), _signed(*training_words(snapshot))]
    daemon = snapshot.daemon
    if daemon is not None and life(daemon, snapshot.now).alive:
        parts += [f"{daemon.waiting:,} waiting", _mode(daemon)]
    return joined(parts, width)


def activity(snapshot: Snapshot, width: int) -> Line:
    """What the daemon is at, what troubles it, or how to start one."""
    daemon = snapshot.daemon
    if not life(daemon, snapshot.now).alive:
        return joined([quiet("to watch on, type"), Span(daemon_command(snapshot), "strong")], width, between=" ")
    parts: list[str | Span] = []
    if daemon is not None and daemon.running:
        running = daemon.running[0] if len(daemon.running) == 1 else count(len(daemon.running), "checkpoint")
        parts.append(f"explaining {name(running, 80)}")
    if daemon is not None and daemon.last_trouble:
        parts.append(Span(f"last trouble: {name(daemon.last_trouble)}", "warn"))
    return joined(parts, width) if parts else line()


def _signed(verdict: Verdict, words: str) -> Span:
    return Span(words) if verdict == "ok" else Span(words, verdict)


def _mode(daemon: DaemonStatus) -> str:
    return "by file events" if daemon.mode == "events" else "by polling"
