"""The monitor: a thread reads the store, and the screens show what it found."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from inspect import isawaitable
from pathlib import Path
from typing import Any

from textual import on, work
from textual.app import App, SuspendNotSupported
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from fxwatch.records.history import HEADLINES
from fxwatch.store.layout import Store
from fxwatch.tui.driver import TerminalDriver
from fxwatch.tui.hangup import Hangup, end_by_signals
from fxwatch.tui.picture import show as show_picture
from fxwatch.tui.place import Intent, Look, Since, Visit
from fxwatch.tui.poller import Poller, Read
from fxwatch.tui.read.reader import StoreReader
from fxwatch.tui.remembered import Remembered, Sorting, keep_copy
from fxwatch.tui.screens.findings import Findings
from fxwatch.tui.screens.in_full import InFull
from fxwatch.tui.screens.listing import Listing
from fxwatch.tui.screens.overview import Overview
from fxwatch.tui.screens.page import Page
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.commands import report_command
from fxwatch.tui.view.subjects import TABLES, TEXTS, WITHIN
from fxwatch.tui.view.table import Way, sorted_next
from fxwatch.tui.view.text import name
from fxwatch.tui.view.warnings import chosen_finding
from fxwatch.tui.view.words import age
from fxwatch.tui.widgets.panel import Panel

_SILENCE = 15.0


class Monitor(App[None]):
    """Watches a store until the user quits, or the terminal goes away.

    `read` and `clock` can be put in its place by tests; `interval` is in seconds. `remembered` is how it was left the
    last time, and after its end how it is left now. `copies` is the folder to which whatever is copied is written, too.
    """

    CSS_PATH = "monitor.tcss"
    TITLE = "fxwatch"
    ENABLE_COMMAND_PALETTE = False

    @dataclass
    class Arrived(Message):
        """The reader has read."""

        snapshot: Snapshot

        def can_replace(self, message: Message) -> bool:
            """A newer snapshot takes the place of one that was not shown yet."""
            return isinstance(message, Monitor.Arrived)

    @dataclass
    class Failed(Message):
        """The reader has failed by a mistake of its own."""

        error: Exception

    def __init__(
        self,
        store: Store,
        *,
        watched: Path,
        clock: Callable[[], float] = time.time,
        read: Read | None = None,
        interval: float = 1.0,
        remembered: Remembered | None = None,
        copies: Path | None = None,
        only_ascii: bool = False,
        light: bool = False,
    ) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-light" if light else "ansi-dark"
        self.only_ascii = only_ascii
        self.snapshot: Snapshot | None = None
        self.remembered = self._before = remembered or Remembered()
        self._metric = self._before.metric
        self._ways = {
            subject: Way(sorting.sort, sorting.falling, wrap=sorting.wrap)
            for subject, sorting in self._before.tables.items()
        }
        self._item: tuple[str, ...] = ()
        self._watched, self._copies = watched, copies
        run = self._before.run_of(watched)
        self._poller = Poller(
            read or StoreReader(store, watched, clock, run=run),
            deliver=lambda snapshot: self.post_message(self.Arrived(snapshot)),
            fail=lambda error: self.post_message(self.Failed(error)),
            interval=interval,
        )
        self._no_pictures = False
        self._hangup: Hangup | None = None
        self._heard = time.monotonic()

    def run(self, *arguments: Any, mouse: bool = False, **options: Any) -> None:
        """Run until the user quits. Without the mouse, the terminal's own selection goes on working."""
        super().run(*arguments, mouse=mouse, **options)

    def get_driver_class(self) -> type[Driver]:
        """Our own for a terminal; that of a browser stays."""
        chosen = super().get_driver_class()
        return TerminalDriver if chosen is LinuxDriver else chosen

    def get_default_screen(self) -> Overview:
        """The overview."""
        return Overview()

    async def on_mount(self) -> None:
        """Begin to read, and to look after the terminal."""
        if self._before.subject in (TEXTS.keys() | TABLES.keys()) - WITHIN.keys() - {"every_action"}:
            await self._open(self._before.subject)
        self._poller.start()
        self.set_interval(_SILENCE / 3, self._tell_silence)
        if not self.is_headless and sys.__stdin__ is not None:
            self._hangup = Hangup(sys.__stdin__.fileno(), lambda: self.call_from_thread(self.exit))
            self._hangup.start()
            end_by_signals(self.exit)

    def on_unmount(self) -> None:
        """Stop reading."""
        self._poller.stop()
        if self._hangup is not None:
            self._hangup.stop()

    @on(Arrived)
    def _show_what_was_read(self, message: Arrived) -> None:
        self.snapshot = message.snapshot
        self._heard = time.monotonic()
        self._refresh_page()

    @on(Failed)
    def _end_with_its_traceback(self, message: Failed) -> None:
        raise message.error

    async def action_perform(self, action: str) -> None:
        """Do what a key asks for, by its entry in the table of actions."""
        self.page.notice("")
        verb, _, argument = action.partition(":")
        done = getattr(self, f"do_{verb}")(*([argument] if argument else []))
        if isawaitable(done):
            await done

    @property
    def page(self) -> Page:
        """The screen in front."""
        if not isinstance(self.screen, Page):
            raise TypeError(f"{self.screen} is no page")
        return self.screen

    def do_quit(self) -> None:
        """Leave."""
        self.exit()

    async def do_help(self) -> None:
        """Show all keys."""
        await self._open("help")

    async def do_commands(self) -> None:
        """Show all commands, and let the user type."""
        self._ways["every_action"] = Way(typing=True)
        await self._open("every_action")

    async def do_show(self, subject: str) -> None:
        """Show a subject alone; a second time: the overview again."""
        if self.page.subject == subject:
            self._leave()
        else:
            await self._open(subject)

    @on(Panel.Clicked)
    async def _show_in_full(self, message: Panel.Clicked) -> None:
        await self._open(message.subject)

    async def do_back(self) -> None:
        """Drop the filter, else go back to where one came from."""
        page = self.page
        if isinstance(page, Listing) and page.grid.way.filter:
            page.grid.turn(page.grid.way._replace(filter=""))
        elif self.page.subject in WITHIN:
            await self._open(WITHIN[self.page.subject])
        else:
            self._leave()

    async def do_open(self) -> None:
        """Show what is chosen."""
        page = self.page
        if isinstance(page, Overview):
            await self._open("warnings")
        elif isinstance(page, Findings):
            self._go_to_beginning(page.keep())
        elif isinstance(page, Listing) and page.grid.row is not None:
            await self._open_row(page.subject, page.grid.row.key)

    def _go_to_beginning(self, metric: str | None) -> None:
        finding = chosen_finding(self._known, metric)
        if finding is None:
            return
        if finding.in_a_row == 1:
            self.page.notice("it began at this analysis")
        self._poller.ask(Since(finding.metric))

    async def _open_row(self, subject: str, key: tuple[str, ...]) -> None:
        if subject in {"features", "compare"}:
            await self._open("feature", key)
        elif subject == "attention":
            await self._open("head", key)
        elif subject == "runs":
            self._poller.ask(Visit(key[0]))
            self._leave()
        elif subject == "every_action":
            self._leave()
            await self.action_perform(key[0])
        else:
            self.do_wrap()

    @on(Listing.Entered)
    async def _do_the_chosen_command(self) -> None:
        if self.page.subject == "every_action":
            await self.do_open()

    @on(Listing.Dropped)
    def _do_no_command(self) -> None:
        if self.page.subject == "every_action":
            self._leave()

    def do_scroll(self, stride: str) -> None:
        """Scroll what is shown alone, or choose another row of it."""
        if isinstance(self.screen, InFull | Listing):
            self.screen.scroll_by(stride)

    def do_look(self, intent: str) -> None:
        """Look elsewhere, in time or at another run."""
        if intent in {Intent.NEXT_RUN, Intent.PREVIOUS_RUN} and self.snapshot and len(self.snapshot.runs) < 2:
            self.page.notice("there is no other run")
            return
        if intent == Intent.PIN:
            self.page.notice("kept to compare with, or let go of; c compares")
        self._poller.ask(Intent(intent))

    def do_filter(self) -> None:
        """Type words to filter by."""
        self._turn(lambda way, _: way._replace(typing=True))

    def do_sort(self) -> None:
        """By the next column."""
        self._turn(lambda way, listing: sorted_next(TABLES[listing.subject].table(self._known), way))

    def do_reverse(self) -> None:
        """The other way round."""
        self._turn(lambda way, _: way._replace(falling=not way.falling) if way.sort is not None else way)

    def do_wrap(self) -> None:
        """Wrap long words, or cut them."""
        self._turn(lambda way, _: way._replace(wrap=not way.wrap))

    def do_metric(self, stride: str) -> None:
        """Another metric of all runs, or the share of another branch."""
        analysis = self._known.analysis
        metrics = [*HEADLINES, *(analysis.branches if analysis is not None else ())]
        at = metrics.index(self._metric) if self._metric in metrics else 0
        self._metric = metrics[(at + int(stride)) % len(metrics)]
        self._ask_for_subject()

    def _turn(self, how: Callable[[Way, Listing], Way]) -> None:
        if isinstance(self.screen, Listing):
            self.screen.grid.turn(how(self.screen.grid.way, self.screen))
        else:
            self.page.notice("that is for tables: features, attention, runs, log, compare")

    def do_copy(self) -> None:
        """Copy the chosen row or warning, or the path of the report."""
        words = self.page.words(self._known)
        if words is None:
            self._tell_no_png()
        else:
            self._copy(words)

    def _copy(self, text: str, why: str = "") -> None:
        self.copy_to_clipboard(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        self.page.notice(f"{why}copied {name(text, 1000)}")
        if self._copies is not None:
            self._keep_copy(text, self._copies)

    @work(thread=True)
    def _keep_copy(self, text: str, folder: Path) -> None:
        """Not every terminal takes what it is sent: a file has it, too."""
        try:
            words = f"also in {name(str(keep_copy(folder, text)), 300)}"
        except OSError as error:
            words = f"no file has it: {error.strerror}"
        self.call_from_thread(lambda: self.page.notice(f"copied, {words}: {name(text, 1000)}"))

    def do_picture(self) -> None:
        """Show the report here, where the terminal can."""
        png = self.snapshot.png if self.snapshot is not None else None
        if png is None:
            self._tell_no_png()
        elif not self._show_picture(Path(png)):
            self._copy(png, "this terminal shows no pictures; ")

    def _show_picture(self, png: Path) -> bool:
        """Whether the terminal could; it is asked once, since the screen has to be given up for that."""
        if self.is_headless or self._no_pictures:
            return False
        try:
            with self.suspend():
                self._no_pictures = not show_picture(png, os.environ)
        except SuspendNotSupported:
            return False
        except OSError as error:
            self.page.notice(f"{name(str(png), 300)} cannot be shown: {error.strerror or error}")
        return not self._no_pictures

    def _tell_no_png(self) -> None:
        command = report_command(self.snapshot) if self.snapshot else "fxwatch report"
        self.page.notice(f"no PNG has been drawn yet: {command}")

    def exit(self, *arguments: Any, **options: Any) -> None:
        """End, whoever asks for it, and keep how it is left while there still is a screen."""
        self.remembered = self._as_it_is()
        super().exit(*arguments, **options)

    def _as_it_is(self) -> Remembered:
        self._keep_way()
        subject = WITHIN.get(self.page.subject, self.page.subject)
        tables = {name: Sorting(sort=way.sort, falling=way.falling, wrap=way.wrap) for name, way in self._ways.items()}
        update = {"subject": subject, "tables": tables, "metric": self._metric}
        run = self.snapshot.run if self.snapshot is not None else None
        return self._before.model_copy(update=update).at(self._watched, run)

    @property
    def _known(self) -> Snapshot:
        return self.snapshot or Snapshot(0.0, "", "")

    async def _open(self, subject: str, item: tuple[str, ...] = ()) -> None:
        if not isinstance(self.screen, Overview):
            self._keep_way()
            _ = self.pop_screen()
        self._item = item
        await self.push_screen(self._page_of(subject))
        self._ask_for_subject()

    def _page_of(self, subject: str) -> Page:
        if subject == "warnings":
            return Findings()
        return Listing(subject, self._ways.get(subject, Way())) if subject in TABLES else InFull(subject)

    def _leave(self) -> None:
        if not isinstance(self.screen, Overview):
            self._keep_way()
            _ = self.pop_screen()  # to wait for it here would be to wait for oneself
        self._ask_for_subject()
        self._refresh_page()

    def _keep_way(self) -> None:
        if isinstance(self.screen, Listing):
            self._ways[self.screen.subject] = self.screen.grid.way._replace(typing=False)

    def _ask_for_subject(self) -> None:
        self._poller.ask(Look(self.page.subject, (self._metric,) if self.page.subject == "runs" else self._item))

    def _tell_silence(self) -> None:
        """A file system that hangs must not look like a run that stands still."""
        silent = time.monotonic() - self._heard
        if silent > _SILENCE:
            self.page.notice(f"nothing could be read for {age(silent)}: does the file system of the results answer?")

    @on(Page.Opened)
    def _refresh_page(self) -> None:
        if self.snapshot is not None and self.screen_stack and self.page.is_open:
            self.page.show(self.snapshot)
