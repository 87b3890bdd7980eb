"""Signs and lines in ASCII, for terminals and fonts that have nothing else. Every text keeps its width."""

from rich.cells import cell_len

_SIGNS = str.maketrans(
    "✓✗●◂▸·…–—→←↑↓▲▼±×━╸─┄┈│┤├└┘╵▏▎▍▌▋▊▉█▓▒░▁▂▃▄▅▆▇▪",
    "+XO<>.~--><^v^v~x=--..|||`''||||###" + "#%=:__.--=##",
)
_BRAILLE = range(0x2800, 0x2900)


def only_ascii(text: str) -> str:
    """A text in which signs are like ones, and characters of other scripts question marks."""
    if text.isascii():
        return text
    found = text.translate(_SIGNS)
    return found if found.isascii() else "".join(map(_like, found))


def _like(character: str) -> str:
    if character.isascii():
        return character
    if ord(character) in _BRAILLE:
        dots = (ord(character) - _BRAILLE.start).bit_count()
        return " .:*#"[min(4, (dots + 1) // 2)]
    return "?" * cell_len(character)
