"""The money: one position in EUR/USD on margin, marked to market, with the cost of the spread."""

from dataclasses import dataclass

SPREAD = 0.0001
"""One pip between bid and ask; half of it is paid on every unit bought or sold."""

LEVERAGE = 10.0
"""Notional of a full position over starting equity."""


@dataclass(slots=True)
class Account:
    """`position` in [-1, 1] of the largest notional, `entry` its average price, `equity` 1 at the start."""

    equity: float = 1.0
    position: float = 0.0
    entry: float = 0.0
    hours_held: int = 0

    def trade(self, target: float, price: float) -> None:
        """Move the position to `target` at the mid `price` and pay half the spread on the difference."""
        traded = target - self.position
        if traded == 0.0:
            return
        self.equity -= LEVERAGE * abs(traded) * SPREAD / 2 / price
        if self.position * target <= 0.0:
            self.entry, self.hours_held = price, 0
        elif abs(target) > abs(self.position):
            self.entry = (self.entry * self.position + price * traded) / target
        self.position = target

    def mark(self, before: float, after: float) -> None:
        """Let an hour pass, in which the price goes from `before` to `after`."""
        self.equity += LEVERAGE * self.position * (after / before - 1.0)
        self.hours_held = self.hours_held + 1 if self.position else 0

    def open_profit(self, price: float) -> float:
        """Return the unrealised gain as a fraction of the position: sign(position) · (price / entry − 1)."""
        if self.position == 0.0:
            return 0.0
        gain = price / self.entry - 1.0
        return gain if self.position > 0.0 else -gain
