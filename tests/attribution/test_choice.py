"""Which number of each state is explained, and dumps whose actions do not say."""

import pytest
import torch
from torch import Tensor

from fxwatch.attribution.explain import target_of
from fxwatch.attribution.policy import AttributionError, choose
from fxwatch.records.settings import AnalysisSettings

LOGITS = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, -4.0]])
OUTPUTS = {"action_type": LOGITS, "action_size": torch.zeros(2, 4), "value": torch.zeros(2)}


@pytest.mark.parametrize(
    ("outputs", "action", "index", "kind"),
    [
        (OUTPUTS, None, [1, 0], "discrete"),
        (OUTPUTS, torch.tensor([2.0, 2.0]), [2, 2], "discrete"),
        (OUTPUTS, torch.tensor([[2.0, 0.0], [1.0, 3.0]]), [2, 1], "discrete"),
        ({"action_type": LOGITS}, torch.tensor([[0.5, 0.1, 0.2], [0.0, 1.0, 2.0]]), [1, 2], "continuous"),
        ({"action_type": LOGITS[:, :1]}, torch.tensor([0.5, 0.1]), [0, 0], "scalar"),
    ],
)
def test_the_component_is_that_of_the_dump_else_the_largest(
    outputs: dict[str, Tensor], action: Tensor | None, index: list[int], kind: str
) -> None:
    found = choose(outputs, "action_type", action)
    assert (found.index.tolist(), found.kind) == (index, kind)


@pytest.mark.parametrize(
    ("outputs", "action", "words"),
    [
        (
            OUTPUTS,
            torch.tensor([1.5, 1.0]),
            "not whole numbers, nor as many a state as output 'action_type' has",
        ),
        (OUTPUTS, torch.tensor([3.0, 0.0]), "run from 0 to 3, but output 'action_type' has 3 logits"),
        ({"action_type": torch.zeros(2, 20, 3)}, None, r"has shape \(N, 20, 3\), but one row of numbers a state"),
    ],
)
def test_what_does_not_fit_is_told(outputs: dict[str, Tensor], action: Tensor | None, words: str) -> None:
    with pytest.raises(AttributionError, match=words):
        choose(outputs, "action_type", action)


def test_a_value_is_never_explained_in_place_of_the_policy() -> None:
    settings = AnalysisSettings()
    assert target_of(settings, ["value", "logits"]) == "logits"
    assert target_of(settings, ["critic.value", "pi.0"]) == "pi.0"
    assert target_of(AnalysisSettings(target="value"), ["value"]) == "value"
    with pytest.raises(AttributionError, match=r"only output is value.* \[model.outputs\]"):
        target_of(settings, ["value"])
