"""The sheet that a page is drawn on: a figure of fixed size in pixels, made without pyplot, so in any thread."""

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D

from fxwatch.report.lettering import Ruler
from fxwatch.report.palette import PAPER

DOTS_PER_INCH = 72  # a point is a pixel


class Sheet:
    """A white page; its coordinates are pixels from the upper left corner."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(
            figsize=(width / DOTS_PER_INCH, height / DOTS_PER_INCH),
            dpi=DOTS_PER_INCH,
            facecolor=PAPER,
            edgecolor=PAPER,
            frameon=True,
        )
        self._canvas = FigureCanvasAgg(self.figure)
        self.down = Affine2D().scale(1, -1).translate(0, height)
        self.ruler = Ruler(self._canvas.get_renderer())  # type: ignore[no-untyped-call]

    def png(self) -> bytes:
        """The page as a PNG, the same bytes for the same page."""
        buffer = io.BytesIO()
        self._canvas.print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]
        return buffer.getvalue()
