"""What all screens have in common: the header, the footer, and keys from the table of actions."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget

from fxwatch.tui.actions import Action, of_scope
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.widgets.footer import Footer
from fxwatch.tui.widgets.header import Header


def bindings(actions: Sequence[Action]) -> list[BindingType]:
    """Actions as Textual wants them."""
    return [
        Binding(",".join(action.keys), f"app.perform({action.name!r})", action.help, show=False) for action in actions
    ]


def lines_of(stride: str, page: int) -> int:
    """How far a stride goes, which is in lines, or a `page` of so many."""
    sign = -1 if stride.startswith("-") else 1
    return sign * max(1, page) if stride.endswith("page") else int(stride)


class Page(Screen[None], inherit_bindings=False):
    """A screen that shows snapshots."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(of_scope("everywhere"))
    ACTIONS: ClassVar[list[Action]] = of_scope("everywhere")

    class Opened(Message):
        """The screen has its parts, and can show something."""

    subject = "overview"
    _opened = False

    @property
    def is_open(self) -> bool:
        """Whether it has its parts: not before it is mounted, nor when the monitor is closing."""
        return self._opened and bool(self.query(Header)) and bool(self.query(Footer))

    def compose(self) -> ComposeResult:
        """Header, what the screen is for, footer."""
        yield Header()
        yield from self.body()
        yield Footer(self.ACTIONS)

    def on_mount(self) -> None:
        """Tell that it can show something."""
        self._opened = True
        self.post_message(self.Opened())

    def body(self) -> Sequence[Widget]:
        """What stands between header and footer."""
        return []

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        self.query_one(Header).show(snapshot)

    def words(self, snapshot: Snapshot) -> str | None:
        """What is copied here: the path of the report, if there is one."""
        return snapshot.png

    def notice(self, text: str) -> None:
        """Say something in the last line until the next key."""
        self.query_one(Footer).notice(text)
