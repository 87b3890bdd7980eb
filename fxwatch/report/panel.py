"""One part of the page: what may be drawn there. Everything that is drawn bears the panel's name."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray

from fxwatch.records.base import Verdict
from fxwatch.report.box import Box
from fxwatch.report.lettering import BODY, CAP, SMALL, TITLE, Ruler, font_for, printable
from fxwatch.report.palette import FAINT, INK, MARKS, MUTED, PAPER, RULE
from fxwatch.report.sheet import Sheet

CHIP = 21.0
TITLE_HEIGHT = 36.0
_ALIGN = {"left": 0.0, "centre": 0.5, "right": 1.0}


class Panel:
    """Draws on a sheet; `box` is the panel's own part of it."""

    def __init__(self, sheet: Sheet, name: str, box: Box) -> None:
        self.name, self.box = name, box
        self.ruler: Ruler = sheet.ruler
        self._sheet = sheet

    def title(self, words: str, about: str = "", verdict: Verdict | None = None) -> Box:
        """Head the panel, with a verdict on all of it where there is one; the box that is left for its content."""
        head, rest = self.box.split_down(TITLE_HEIGHT)
        y = head.top + 12
        self.text(head.left, y, words, size=TITLE, bold=True)
        left = head.left + self.ruler.width(words, TITLE, bold=True) + 14
        right = head.right if verdict is None else head.right - CHIP - 10
        self.text(left, y + 1, about, size=SMALL, colour=MUTED, width=right - left)
        if verdict is not None:
            self.chip(head.right - CHIP / 2, y, verdict)
        self.line([head.left, head.right], [head.bottom - 8] * 2, RULE)
        return rest

    def absent(self, box: Box, words: str) -> None:
        """Say in words why there is nothing to see."""
        wide = min(box.width - 40, 620)
        wrapped = self.ruler.wrap(words, wide, max(1, min(4, int(box.height // 24))), BODY)
        self.bar(box, FAINT)
        top = box.middle - 12 * (len(wrapped) - 1)
        for row, line in enumerate(wrapped):
            self.text(box.centre, top + 24 * row, line, colour=MUTED, align="centre")

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = BODY,
        colour: str = INK,
        bold: bool = False,
        align: str = "left",
        width: float | None = None,
    ) -> float:
        """Write a text centred on the line `y`, shortened in the middle to `width`; how wide it is."""
        shown = printable(words, bold=bold) if width is None else self.ruler.fit(words, width, size, bold=bold)
        if not shown.strip():
            return 0.0
        wide = self.ruler.width(shown, size, bold=bold)
        artist = Text(
            round(x - wide * _ALIGN[align]),
            round(y + CAP * size),
            shown,
            color=colour,
            fontproperties=font_for(shown, size, bold=bold),
            horizontalalignment="left",
            verticalalignment="baseline",
            parse_math=False,
            usetex=False,
            transform=self._sheet.down,
        )
        self._add(artist)
        return wide

    def lines(self, x: float, y: float, wrapped: Sequence[str]) -> None:
        """Write lines of small text below each other."""
        for row, words in enumerate(wrapped):
            self.text(x, y + 21 * row, words, size=SMALL, colour=MUTED)

    def tag(self, right: float, y: float, words: str, colour: str) -> None:
        """Small text on a line, on paper of its own so that the line does not strike it out."""
        wide = self.ruler.width(words, SMALL)
        self.bar(Box(right - wide - 6, y - 10, right + 6, y + 10), PAPER)
        self.text(right, y, words, size=SMALL, colour=colour, align="right")

    def chip(self, x: float, y: float, verdict: Verdict, size: float = CHIP) -> None:
        """The mark of a verdict, centred: its symbol on its colour."""
        mark = MARKS[verdict]
        self.bar(Box(x - size / 2, y - size / 2, x + size / 2, y + size / 2), mark.fill, rounding=4)
        self.text(x, y, mark.symbol, size=size * 0.72, colour=mark.ink, bold=True, align="centre")

    def bar(self, box: Box, fill: str, *, edge: str | None = None, width: float = 1.0, rounding: float = 0.0) -> None:
        """A filled rectangle."""
        style = {"facecolor": fill, "edgecolor": edge or "none", "linewidth": width if edge else 0.0}
        corner, wide, high = (box.left, box.top), box.width, box.height
        artist: Artist = (
            FancyBboxPatch(
                corner,
                wide,
                high,
                boxstyle=f"round,pad=0,rounding_size={rounding}",
                transform=self._sheet.down,
                **style,  # type: ignore[arg-type]
            )
            if rounding
            else Rectangle(corner, wide, high, transform=self._sheet.down, **style)  # type: ignore[arg-type]
        )
        self._add(artist)

    def outline(self, box: Box, colour: str) -> None:
        """The edge of a rectangle."""
        xs = [box.left, box.right, box.right, box.left, box.left]
        self.line(xs, [box.top, box.top, box.bottom, box.bottom, box.top], colour)

    def stripes(self, box: Box, colour: str) -> None:
        """Slanted lines that fill a rectangle."""
        segments = []
        for start in np.arange(box.left - box.height, box.right, 6.0):
            left, right = max(start, box.left), min(start + box.height, box.right)
            if right > left:
                segments.append([(left, box.bottom - (left - start)), (right, box.bottom - (right - start))])
        self.segments(segments, colour, 1.6)

    def segments(self, segments: Sequence[Sequence[tuple[float, float]]], colour: str, width: float = 1.0) -> None:
        """Many straight lines of one kind."""
        if segments:
            self._add(
                LineCollection(
                    [np.asarray(segment) for segment in segments],
                    colors=colour,
                    linewidths=width,
                    linestyles="solid",
                    capstyle="butt",
                    transform=self._sheet.down,
                )
            )

    def line(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        colour: str,
        width: float = 1.0,
        dashes: tuple[float, float] | None = None,
    ) -> None:
        """A line through points; NaN interrupts it."""
        self._add(
            Line2D(
                xs,
                ys,
                color=colour,
                linewidth=width,
                linestyle=(0, dashes) if dashes else "-",
                marker="None",
                solid_capstyle="butt",
                dash_capstyle="butt",
                solid_joinstyle="round",
                transform=self._sheet.down,
            )
        )

    def dots(
        self, xs: Sequence[float], ys: Sequence[float], colour: str, *, size: float = 7.0, marker: str = "o"
    ) -> None:
        """Marks of one kind at points."""
        self._add(
            Line2D(
                xs,
                ys,
                linestyle="None",
                marker=marker,
                markersize=size,
                markerfacecolor=colour,
                markeredgecolor=PAPER,
                markeredgewidth=0.5,
                transform=self._sheet.down,
            )
        )

    def whisker(self, low: float, high: float, y: float, half: float, colour: str) -> None:
        """An interval, from `low` to `high` pixels, with ends."""
        ends = [((x, y - half), (x, y + half)) for x in (low, high)]
        self.segments([((low, y), (high, y)), *ends], colour, 1.6)

    def picture(self, box: Box, colours: NDArray[np.uint8]) -> None:
        """An image (rows, columns, RGBA) that fills a rectangle cell by cell, without smoothing."""
        high, wide = max(1, round(box.height)), max(1, round(box.width))
        rows = np.arange(high) * colours.shape[0] // high
        columns = np.arange(wide) * colours.shape[1] // wide
        image = self._sheet.figure.figimage(
            colours[rows][:, columns],
            xo=round(box.left),
            yo=self._sheet.height - round(box.top) - high,
            origin="upper",
        )
        image.set_gid(self.name)
        image.set_zorder(0)

    def _add(self, artist: Artist) -> None:
        artist.set_gid(self.name)
        artist.set_zorder(1)  # what is drawn later lies above
        self._sheet.figure.add_artist(artist)
