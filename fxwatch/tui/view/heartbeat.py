"""Whether daemon, training and W&B go on, in words. An age is told so coarsely that the words seldom change."""

from typing import Literal, NamedTuple

from fxwatch.records.base import Verdict
from fxwatch.records.status import STALE_SECONDS, DaemonStatus
from fxwatch.records.times import seconds
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.commands import daemon_command
from fxwatch.tui.view.text import Line, Role, Span, crop, joined, line, name, quiet, width_of
from fxwatch.tui.view.words import age, count, moment

_ROLES: dict[Verdict, Role] = {"ok": "", "warn": "warn", "bad": "bad", "unknown": "quiet"}
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


class Words(NamedTuple):
    """A sentence, and an addition that can be left out."""

    verdict: Verdict
    text: str
    addition: str = ""

    @property
    def sentence(self) -> str:
        """All of it."""
        return f"{self.text}{self.addition}"


def life(daemon: DaemonStatus | None, now: float) -> Life:
    """The state of a daemon at a moment. A heartbeat of a time to come tells nothing: the clock was set back since."""
    if daemon is None:
        return Life("never")
    at = seconds(daemon.at)
    if daemon.state == "stopped":
        return Life("stopped", at)
    if at is None or abs(now - at) > STALE_SECONDS:
        return Life("silent", at)
    return Life(daemon.state, at)


def daemon_words(snapshot: Snapshot) -> Words:
    """What the daemon is doing, and when it was heard of."""
    found = life(snapshot.daemon, snapshot.now)
    if found.state == "never" and snapshot.barred:
        return Words("warn", "the daemon's heartbeat cannot be read")
    if found.state == "never":
        return Words("unknown", "no daemon has run here")
    if found.alive:
        return Words("ok", f"daemon {found.state}", f", seen <{STALE_SECONDS:.0f} s ago")
    verdict: Verdict = "warn" if found.state == "stopped" else "bad"
    if found.at is None:
        return Words(verdict, f"daemon {found.state}")
    when = moment(found.at, snapshot.now)
    if found.at > snapshot.now:
        return Words(verdict, f"daemon {found.state}", f", clock set back since {when}")
    since = f"stopped {when}" if found.state == "stopped" else f"silent since {when}"
    return Words(verdict, f"daemon {since}", f", {age(snapshot.now - found.at)} ago")


def training_words(snapshot: Snapshot) -> Words:
    """Whether training goes on: it does as long as files come about as often as they used to."""
    if not life(snapshot.daemon, snapshot.now).alive:
        return Words("unknown", "training not watched")
    past = snapshot.past
    newest = snapshot.files.at
    if newest is None:
        return Words("unknown", "no files from training yet")
    if newest - snapshot.now > STALE_SECONDS:
        back = f", clock set back since {moment(newest, snapshot.now)}"
        return Words("unknown", "training not known to be alive", back)
    quiet_for = max(0.0, snapshot.now - newest)
    longest = max(_SILENT_AFTER, _SILENT_GAPS * (past.gap or 0.0) if past else 0.0)
    if quiet_for <= longest:
        return Words("ok", "training alive", f", last file {age(quiet_for)} ago")
    return Words("warn", f"training silent since {moment(newest, snapshot.now)}", f", {age(quiet_for)}")


def wandb_words(snapshot: Snapshot) -> Words:
    """What W&B has of the analyses; off is what nobody has asked for."""
    sent, mode = snapshot.delivery, snapshot.daemon.wandb if snapshot.daemon is not None else "off"
    when = ", none sent yet" if sent.at is None else f", last sent {age(max(0.0, snapshot.now - sent.at))} ago"
    if mode == "off":
        left = f", {sent.waiting:,} not sent{when}" if sent.begun and sent.waiting else when if sent.begun else ""
        return Words("unknown", "W&B off", left)
    name_of_it = "W&B offline" if mode == "offline" else "W&B"
    if sent.trouble is not None:
        return Words("warn", f"{name_of_it} fails, {sent.waiting:,} waiting", when)
    if sent.waiting:
        return Words("ok", f"{name_of_it} {sent.waiting:,} waiting", when)
    return Words("ok", f"{name_of_it} up to date" if sent.begun else name_of_it, when)


def put_aside(daemon: DaemonStatus) -> str:
    """What waits behind all that waits."""
    return f", {daemon.backlog:,} put aside" if daemon.backlog else ""


def heartbeat(snapshot: Snapshot, width: int) -> Line:
    """Daemon, training, backlog and W&B in one line: first as much as there is room for, then the additions."""
    return crop(_filled(_parts(snapshot), width), width)


def heartbeat_and_work(snapshot: Snapshot, width: int) -> Line:
    """The same with what is being explained, where that has no line of its own."""
    parts = _parts(snapshot)
    if words := _explaining(snapshot):
        parts.insert(3, Words("ok", words))
    return crop(_filled(parts, width), width)


def work(snapshot: Snapshot, width: int) -> Line:
    """What is being explained, and what the daemon was last troubled by."""
    words, trouble = _explaining(snapshot), snapshot.daemon.last_trouble if snapshot.daemon is not None else None
    parts: list[str | Span] = [quiet(words)] if words else []
    parts += [Span(f"last trouble: {name(trouble)}", "warn")] if trouble else []
    return joined(parts, width)


def _parts(snapshot: Snapshot) -> list[Words]:
    daemon = snapshot.daemon
    words = [daemon_words(snapshot)]
    if not life(daemon, snapshot.now).alive and (daemon is not None or not snapshot.barred):
        words.append(Words("ok", f"`{daemon_command(snapshot)}`", " watches it" if daemon is None else " watches on"))
    words.append(training_words(snapshot))
    if daemon is not None and life(daemon, snapshot.now).alive:
        words.append(Words("ok", f"{daemon.waiting:,} waiting", put_aside(daemon)))
    words.append(wandb_words(snapshot))
    if daemon is not None and life(daemon, snapshot.now).alive:
        words.append(Words("ok", "by file events" if daemon.mode == "events" else "by polling"))
    return words


def _explaining(snapshot: Snapshot) -> str:
    daemon = snapshot.daemon
    if daemon is None or not daemon.running or not life(daemon, snapshot.now).alive:
        return ""
    single = name(daemon.running[0], 60)
    return f"explaining {single if len(daemon.running) == 1 else count(len(daemon.running), 'checkpoint')}"


def _filled(words: list[Words], width: int) -> Line:
    kept: list[Words] = []
    for part in words:
        if not kept or width_of(_line(_short([*kept, part]))) <= width:
            kept.append(part)
    shown = _short(kept)
    for place, part in enumerate(kept):
        longer = [*shown[:place], part, *shown[place + 1 :]]
        if width_of(_line(longer)) <= width:
            shown = longer
    return _line(shown)


def _short(words: list[Words]) -> list[Words]:
    return [part._replace(addition="") for part in words]


def _line(words: list[Words]) -> Line:
    pieces: Line = ()
    for part in words:
        head = line(quiet(" · ")) if pieces else ()
        pieces = (*pieces, *head, Span(part.text, _ROLES[part.verdict]), quiet(part.addition))
    return pieces
