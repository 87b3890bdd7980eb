"""Programs of torch.export: their weights are read, bit by bit as they were saved, and the program is left alone."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fxwatch.load import LoadError, read_content, read_weights
from fxwatch.load.checkpoint import Weights


class Odd(nn.Module):
    """Parameters of several types and layouts, tied ones, and buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.tied = nn.Linear(3, 3)
        self.tied.weight = self.linear.weight
        self.turned = nn.Parameter(torch.arange(6.0).reshape(2, 3).T)
        self.brief = nn.Parameter(torch.tensor([1.5, -2.0], dtype=torch.bfloat16))
        self.register_buffer("mask", torch.tensor([True, False, True]))
        self.register_buffer("count", torch.tensor(7))
        self.register_buffer("none", torch.zeros(0, 2))

    def forward(self, x: Tensor) -> Tensor:
        out = self.tied(self.linear(x)) * self.get_buffer("mask") + self.brief.sum().float()
        turned: Tensor = out @ self.turned + self.get_buffer("count") + self.get_buffer("none").sum()
        return turned


@pytest.fixture(scope="module")
def model() -> Odd:
    torch.manual_seed(0)
    return Odd().eval()


@pytest.fixture(scope="module")
def saved(model: Odd) -> bytes:
    out = io.BytesIO()
    program = torch.export.export(model, (torch.zeros(2, 3),), dynamic_shapes=({0: torch.export.Dim("count")},))
    torch.export.save(program, out, extra_files={"global_step": "900", "notes.txt": "of Monday"})
    return out.getvalue()


def read(path: Path) -> Weights:
    return read_weights(read_content(path))


def changed(saved: bytes, **meta: Any) -> bytes:
    """With the list of weights changed for one of them."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("model_weights_config.json"):
                listed = json.loads(content)
                listed["config"]["linear.weight"]["tensor_meta"].update(meta)
                content = json.dumps(listed).encode()
            new.writestr(name, content)
    return out.getvalue()


def test_its_weights_are_those_of_the_model(tmp_path: Path, model: Odd, saved: bytes) -> None:
    (tmp_path / "policy.pt2").write_bytes(saved)
    found = read(tmp_path / "policy.pt2")
    expected = model.state_dict()
    assert found.state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found.state[name].dtype == tensor.dtype, name
        assert torch.equal(found.state[name], tensor), name
    assert found.step == 900


def test_its_step_is_in_its_name_where_it_holds_none(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), tmp_path / "policy_400.pt2")
    assert read(tmp_path / "policy_400.pt2").step == 400


@pytest.mark.parametrize(
    ("meta", "outcome", "words"),
    [
        ({"dtype": 29}, "unsupported", "is of a type that is not known"),
        ({"sizes": [{"as_int": 10**6}, {"as_int": 3}]}, "failed", "not as torch.export writes it"),
        ({"sizes": [{"as_int": 10**9}], "strides": [{"as_int": 0}]}, "refused", "its tensors claim 4,000,000"),
        ({"sizes": [{"as_sym_int": "s0"}, {"as_int": 3}]}, "failed", "not as torch.export writes it"),
        ({"storage_offset": {"as_int": 5}}, "failed", "not as torch.export writes it"),
    ],
)
def test_a_list_of_weights_that_lies_is_told(
    tmp_path: Path, saved: bytes, meta: dict[str, Any], outcome: str, words: str
) -> None:
    (tmp_path / "a.pt2").write_bytes(changed(saved, **meta))
    with pytest.raises(LoadError, match=words) as raised:
        read(tmp_path / "a.pt2")
    assert raised.value.outcome == outcome
