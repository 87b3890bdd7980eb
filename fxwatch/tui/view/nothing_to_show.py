"""What stands in the place of the panels: what it is that is missing, and the command to type."""

from fxwatch.tui.snapshot import Lack, Snapshot
from fxwatch.tui.view.commands import daemon_command, read_command
from fxwatch.tui.view.heartbeat import daemon_words, life
from fxwatch.tui.view.in_words import trouble_in_words
from fxwatch.tui.view.text import BLANK, Line, crop, line, name, paragraph

_DEMO = "fxwatch demo"
_GOES_ON = "This screen goes on looking, and changes by itself. q quits."
_WIDEST = 76


def lines(snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:
    """A few sentences and a command or two, somewhat above the middle."""
    room = max(20, min(_WIDEST, width - 4))
    text: list[Line] = []
    for words, commands in _paragraphs(snapshot):
        text += paragraph(words, room, 0, "")
        typed = [row for command in commands for row in paragraph(command, room, 4, "accent")]
        text += [BLANK, *typed, BLANK] if typed else [BLANK]
    text += paragraph(_GOES_ON, room, 0)
    margin = " " * max(0, (width - room) // 2)
    above = max(0, (height - len(text)) // 3) if height else 0
    return [BLANK] * above + [crop(line(margin, *row), width) for row in text]


def _paragraphs(snapshot: Snapshot) -> list[tuple[str, list[str]]]:
    folder, daemon = name(snapshot.watched, 300), daemon_command(snapshot)
    demo = ("To see what fxwatch shows without a training run of your own:", [_DEMO])
    if snapshot.lack is Lack.FOLDER:
        return [
            (f"There is no folder {folder}. Name the folder that training writes to, or begin training.", []),
            ("As soon as it is there, watch it with:", [daemon]),
            demo,
        ]
    if snapshot.lack is Lack.STORE:
        nobody = f"Nobody has watched {folder} yet, so there are no results."
        found = f"{folder} is empty so far." if snapshot.empty else nobody
        return [(f"{found} The daemon watches it and explains every checkpoint:", [daemon]), demo]
    if snapshot.lack is Lack.RESULTS:
        return _no_results(snapshot)
    if snapshot.lack is Lack.RIGHTS:
        return _no_rights(snapshot)
    words = name(snapshot.trouble or "the analysis was not read yet")
    other = "← and → look at other analyses, r at other runs." if len(snapshot.runs) > 1 else "← and → look at others."
    return [(f"This analysis cannot be shown: {words}.", []), (other, [])]


def _no_rights(snapshot: Snapshot) -> list[tuple[str, list[str]]]:
    path, why = snapshot.barred[0] if snapshot.barred else (snapshot.store, "no reason given")
    words = f"There may be results in {name(snapshot.store, 300)}, but {name(path, 300)} cannot be read: {name(why)}."
    asked = "They belong to whoever runs the daemon, who can let you read them by:"
    return [(words, []), (asked, [read_command(snapshot)])]


def _no_results(snapshot: Snapshot) -> list[tuple[str, list[str]]]:
    daemon, words = snapshot.daemon, daemon_words(snapshot).sentence
    files = ", ".join(f"{number:,} {state}" for state, number in (daemon.files if daemon else {}).items() if number)
    seen = f"It has seen these files: {files}." if files else "It has seen no checkpoint yet."
    troubles: list[tuple[str, list[str]]] = [
        (f"Not explained: {trouble_in_words(trouble)}.", []) for trouble in snapshot.files.troubles[:1]
    ]
    trouble = f" Its last trouble: {name(daemon.last_trouble)}." if daemon is not None and daemon.last_trouble else ""
    if not life(daemon, snapshot.now).alive:
        again = f"No analysis yet, and {words}.{f' {seen}' if files else ''}{trouble}"
        command = ("Start it, and leave it running:", [daemon_command(snapshot)])
        return [(again, []), *troubles, command, ("Without a training run of your own:", [_DEMO])]
    return [(f"No analysis yet; {words}. {seen}{trouble}", []), *troubles, ("The first analysis appears here.", [])]
