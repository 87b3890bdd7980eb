"""Letters: which characters can be drawn, how wide a text is, and how a long one is shortened.

Names come from files. They are shown as text and nothing else: never as math, never with a character that moves others,
and a character that no installed font has is shown as its escape, so that two such names can still be told apart.
"""

import unicodedata
from bisect import bisect_left
from collections.abc import Callable
from functools import cache, lru_cache

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from fxwatch.terminal import clean

SMALL = 16.0
BODY = 17.0
TITLE = 20.0
HEADLINE = 32.0

CAP = 0.365
"""Half the height of a capital, in font sizes: a text whose baseline is this far below a line is centred on it."""

_FAMILY = "DejaVu Sans"  # comes with matplotlib
_OTHERS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "SimHei",
    "Noto Sans",
)
_LONGEST = 400
_ELLIPSIS = "…"


@lru_cache(maxsize=8192)
def printable(words: str, *, bold: bool = False) -> str:
    """The text in characters that can be drawn and that leave their neighbours alone."""
    letters: list[str] = []
    marks = 0
    for letter in unicodedata.normalize("NFC", clean(words, _LONGEST)):
        marks = marks + 1 if unicodedata.combining(letter) else 0
        hidden = unicodedata.category(letter).startswith("C")
        drawn = not hidden and marks <= 1 and any(_has(family, letter, bold=bold) for family in _families())
        letters.append(letter if drawn else letter.encode("unicode_escape").decode())
    return "".join(letters)


@lru_cache(maxsize=256)
def font(size: float, *, bold: bool = False, plain: bool = True) -> FontProperties:
    """The font of a text; one that is not `plain` has letters from other families, too."""
    families = [_FAMILY] if plain else list(_families())
    return FontProperties(family=families, style="normal", weight="bold" if bold else "normal", size=size)


def font_for(words: str, size: float, *, bold: bool = False) -> FontProperties:
    """The font that has all letters of a printable text."""
    return font(size, bold=bold, plain=all(_has(_FAMILY, letter, bold=bold) for letter in words))


class Ruler:
    """Measures texts as they will be drawn."""

    def __init__(self, renderer: RendererAgg) -> None:
        self._renderer = renderer
        self._known: dict[tuple[str, float, bool], float] = {}

    def width(self, words: str, size: float = BODY, *, bold: bool = False) -> float:
        """Pixels from the first letter to the last."""
        key = (words, size, bold)
        if key not in self._known:
            shown = printable(words, bold=bold)
            prop = font_for(shown, size, bold=bold)
            self._known[key] = self._renderer.get_text_width_height_descent(shown, prop, ismath=False)[0]  # type: ignore[no-untyped-call]
        return self._known[key]

    def fit(self, words: str, width: float, size: float = BODY, *, bold: bool = False) -> str:
        """The text, shortened in the middle where it is wider than `width`."""
        shown = printable(words, bold=bold)
        if self.width(shown, size, bold=bold) <= width:
            return shown
        kept = _most(lambda kept: self.width(_shortened(shown, kept), size, bold=bold) <= width, len(shown) - 1)
        return _shortened(shown, kept)

    def wrap(self, words: str, width: float, lines: int, size: float = SMALL) -> list[str]:
        """The text in at most `lines` lines; what does not fit ends in an ellipsis."""
        rest = printable(words).split(" ")
        wrapped: list[str] = []
        while rest and len(wrapped) < lines:
            fitting = max(1, _most(lambda kept: self.width(" ".join(rest[:kept]), size) <= width, len(rest)))  # noqa: B023
            last = len(wrapped) == lines - 1 and fitting < len(rest)
            line = " ".join(rest[:fitting])
            wrapped.append(self._ended(line, width, size) if last else self.fit(line, width, size))
            rest = rest[fitting:]
        return wrapped

    def _ended(self, line: str, width: float, size: float) -> str:
        kept = _most(lambda kept: self.width(line[:kept] + _ELLIPSIS, size) <= width, len(line))
        return line[:kept].rstrip(" ,;:") + _ELLIPSIS


def _shortened(words: str, kept: int) -> str:
    tail = kept // 2
    return words[: kept - tail] + _ELLIPSIS + (words[-tail:] if tail else "")


def _most(fits: Callable[[int], bool], largest: int) -> int:
    """The largest number up to `largest` that fits, by bisection; 0 where none does."""
    return bisect_left(range(1, largest + 1), 1, key=lambda kept: not fits(kept))


@cache
def _families() -> tuple[str, ...]:
    installed = {entry.name for entry in fontManager.ttflist}
    return (_FAMILY, *(name for name in _OTHERS if name in installed))


@lru_cache(maxsize=16384)
def _has(family: str, letter: str, *, bold: bool) -> bool:
    path = findfont(FontProperties(family=[family], weight="bold" if bold else "normal"))
    return bool(get_font(path).get_char_index(ord(letter)))
