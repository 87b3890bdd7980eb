"""Names as columns of tables: each is stored once, and rows hold its number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

NAME = pa.dictionary(pa.int32(), pa.string())


def coded(names: Sequence[str], places: NDArray[np.integer[Any]]) -> pa.DictionaryArray:
    """A column that holds at each row the name at its place; half characters, which no table can hold, are escaped."""
    known = {name: number for number, name in enumerate(dict.fromkeys(names))}
    numbers = np.array([known[name] for name in names], np.int32)
    shown = [name.encode("utf-8", "backslashreplace").decode() for name in known]
    return pa.DictionaryArray.from_arrays(pa.array(numbers[places]), pa.array(shown, pa.string()))
