"""Hourly bars of EUR/USD; where they are from is said in prices/README.md."""

import csv
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one hour in the order of time, each column of shape (bars,).

    `time` is the opening of the bar in GMT, prices are US dollars for one euro (ask), `volume` is in the
    broker's units.
    """

    time: NDArray[np.datetime64]
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column


def eurusd() -> Bars:
    """Return the 6,225 hourly bars of 2017 that come with the package."""
    table = files("fxwatch.demo") / "prices" / "EURUSD_1H.csv"
    with table.open(encoding="ascii") as lines:
        rows = list(csv.reader(lines))[1:]
    prices = np.array([row[1:] for row in rows], dtype=np.float64)
    return Bars(np.array([_iso(row[0]) for row in rows], dtype="datetime64[s]"), *prices.T)


def _iso(stamp: str) -> str:
    """Turn `01.02.2017 22:00:00.000` into `2017-02-01T22:00:00`."""
    return f"{stamp[6:10]}-{stamp[3:5]}-{stamp[:2]}T{stamp[11:19]}"
