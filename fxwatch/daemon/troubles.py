"""What is wrong with the daemon's surroundings now, and since it was said, no more of it."""

import re

from fxwatch.daemon.narrator import Narrator

_MOST_IN_WORDS = 3
_NUMBER = re.compile(r"\d+")


class Troubles:
    """At most one trouble about each thing. It is said when it is new and when it is over, and stands in between."""

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator
        self._now: dict[str, str] = {}

    def __contains__(self, about: str) -> bool:
        return about in self._now

    def tell(self, about: str, words: str | None) -> None:
        """What the trouble is; None: it is over. Words that differ in their numbers alone are no news."""
        if words is None:
            before = self._now.pop(about, None)
            if before is not None:
                self._narrator.say(f"over: {before}")
            return
        new = _NUMBER.sub("", words) != _NUMBER.sub("", self._now.get(about, ""))
        self._now[about] = words
        if new:
            self._narrator.say(words)

    def in_words(self) -> str | None:
        """The first of them, and how many more there are."""
        first, more = list(self._now.values())[:_MOST_IN_WORDS], len(self._now) - _MOST_IN_WORDS
        return "; ".join([*first, *([f"and {more} more"] if more > 0 else [])]) or None
