"""One attention head: where each query looks."""

from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.heatmap import heatmap, largest
from fxwatch.tui.view.text import BLANK, Line, Span, crop, joined, name, paragraph, title
from fxwatch.tui.view.words import number

NAME = "Head"


def lines(snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:  # noqa: ARG001 - it is scrolled
    """Its numbers, and its map: a row a query, a column a key."""
    news, analysis = snapshot.closer.head, snapshot.analysis
    if news is None or analysis is None:
        return [title(NAME, width, "Esc")]
    found = [title(f"{name(news.layer, 120)}, head {news.head}", width, "Esc")]
    heads = analysis.attention.layers.get(news.layer, [])
    if news.head < len(heads):
        head = heads[news.head]
        parts: list[str | Span] = [
            Span(f"entropy {number(head.entropy)}", "strong"),
            f"stability {number(head.stability)}",
            f"effect {number(head.effect)}",
        ]
        found.append((Span("  "), *joined(parts, width - 2)))
    if news.trouble is not None:
        return [*found, BLANK, *paragraph(name(news.trouble), width)]
    words = f"a row a query, a column a key, mean over the probe states; █ is {number(largest(news.weights))}"
    found += [BLANK, *paragraph(words, width)]
    labels = [f"query {place}" for place in range(len(news.weights))]
    return [crop(row, width) for row in [*found, *heatmap(news.weights, labels, width, 10)]]
