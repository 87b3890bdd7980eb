"""How a model is called, and where its outputs are."""

from typing import Any

import pytest
import torch
from torch import nn

from fxwatch.load.errors import LoadError
from fxwatch.load.outputs import named_outputs
from fxwatch.load.policy import CalledPolicy, check_answers
from tests.policies import HF_AND_PORTFOLIO, ByKeyword, GuideLike, OneTensor, random_states

LOGITS, SIZES, VALUE = torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2, 1)


@pytest.mark.parametrize(
    ("returned", "names"),
    [
        (((LOGITS, SIZES), VALUE), ["action_type", "action_size", "value"]),
        ((LOGITS, VALUE), ["action_type", "value"]),
        ((LOGITS, torch.zeros(2)), ["action_type", "value"]),
        ((LOGITS, SIZES, VALUE), ["action_type", "action_size", "value"]),
        ((LOGITS, SIZES), ["action_type"]),
        ((LOGITS, VALUE, torch.zeros(2, 64)), ["action_type", "value"]),
        ((LOGITS, SIZES, VALUE, torch.zeros(2, 64)), ["action_type", "action_size", "value"]),
        (LOGITS, ["action_type"]),
        ({"logits": LOGITS, "value": VALUE, "note": "x"}, ["logits", "value"]),
        ((LOGITS, torch.tensor(0.5)), ["action_type"]),
        ({"pi": {"type": LOGITS}, "value": VALUE}, ["type", "value"]),
        ({"pi": (LOGITS, SIZES), "value": VALUE}, ["pi.0", "pi.1", "value"]),
        ({"actor": {"out": LOGITS}, "critic": {"out": VALUE}}, ["actor.out", "critic.out"]),
        (({"type": LOGITS, "size": SIZES}, VALUE), ["type", "size", "value"]),
        ([[LOGITS, SIZES, SIZES], VALUE], ["action_type", "action_size", "action_3", "value"]),
    ],
)
def test_outputs_are_named_by_their_structure_where_no_path_is_set(returned: Any, names: list[str]) -> None:
    assert list(named_outputs(returned, {})) == names


class Record:
    def __init__(self) -> None:
        self.logits = LOGITS


@pytest.mark.parametrize(
    ("returned", "path"),
    [(((SIZES, LOGITS), VALUE), "0.1"), (LOGITS, ""), ({"a": {"b": [LOGITS]}}, "a.b.0"), (Record(), "logits")],
)
def test_a_path_leads_to_an_output(returned: Any, path: str) -> None:
    assert named_outputs(returned, {"mine": path})["mine"] is LOGITS


@pytest.mark.parametrize(
    ("returned", "paths", "words"),
    [
        (LOGITS, {"a": "0.5.1"}, "a tensor \\(2, 3\\)"),
        ((LOGITS, SIZES), {"a": "2"}, "\\(a tensor \\(2, 3\\), a tensor \\(2, 4\\)\\)"),
        ({"x": LOGITS}, {"a": "y"}, "\\{x: a tensor \\(2, 3\\)\\}"),
        ("nothing", {}, "forward returned a str"),
        ((VALUE, LOGITS), {}, r"say in \[model.outputs\]"),
        ({"note": "x"}, {}, r"say in \[model.outputs\]"),
    ],
)
def test_a_path_that_leads_nowhere_tells_what_there_is(returned: Any, paths: dict[str, str], words: str) -> None:
    with pytest.raises(LoadError, match=words):
        named_outputs(returned, paths)


@pytest.mark.parametrize(("model", "call"), [(GuideLike(), "dict"), (ByKeyword(), "kwargs"), (ByKeyword(), "args")])
def test_dictionaries_keywords_and_positions_call_alike(model: nn.Module, call: Any) -> None:
    states = random_states(HF_AND_PORTFOLIO)
    policy = CalledPolicy(model, list(states.branches), call, {})
    check_answers(policy, states)
    assert list(policy(*(torch.as_tensor(x) for x in states.branches.values()))) == [
        "action_type",
        "action_size",
        "value",
    ]


def test_one_flat_tensor_is_made_of_the_branches() -> None:
    states = random_states({"a": (2, 2), "b": (3,)})
    policy = CalledPolicy(OneTensor(), ["a", "b"], "concat", {})
    check_answers(policy, states)
    branches = [torch.as_tensor(x) for x in states.branches.values()]
    flat = torch.cat([branches[0].flatten(1), branches[1]], 1)
    assert torch.equal(policy(*branches)["action_type"], policy.wrapped(flat))


def test_a_forward_that_fails_is_told_with_the_shapes() -> None:
    with pytest.raises(LoadError, match=r"hf \(6, 5\), portfolio \(2, 3\)\): RuntimeError: mat1 and mat2"):
        check_answers(
            CalledPolicy(GuideLike(), ["hf", "portfolio"], "dict", {}),
            random_states({"hf": (6, 5), "portfolio": (2, 3)}),
        )
    with pytest.raises(LoadError, match="KeyError: 'portfolio'"):
        check_answers(CalledPolicy(GuideLike(), ["hf"], "dict", {}), random_states({"hf": (6, 4)}))
