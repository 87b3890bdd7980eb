"""Stable-Baselines3 zips: default policies are rebuilt without a factory, exactly as Stable-Baselines3 has them."""

import json
import zipfile
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO
from torch import nn

from fxwatch.load import LoadError, check_answers, load_policy, read_content, read_weights
from fxwatch.load.policy import policy_of
from fxwatch.records.settings import ModelSettings
from fxwatch.records.states import States
from tests.policies import random_states

DICT = spaces.Dict({"portfolio": spaces.Box(-1, 1, (5, 3)), "hf": spaces.Box(-np.inf, np.inf, (6, 9))})
FLAT = spaces.Box(-1, 1, (10,))
TABLE = spaces.Box(-1, 1, (4, 3))


class Still(gymnasium.Env[Any, Any]):
    """An environment in which nothing happens."""

    def __init__(self, observation: spaces.Space[Any], action: spaces.Space[Any]) -> None:
        self.observation_space, self.action_space = observation, action

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.observation_space.sample(), 0.0, False, False, {}


def saved(path: Path, observation: spaces.Space[Any], action: spaces.Space[Any], kind: Any = PPO, **kwargs: Any) -> Any:
    policy = "MultiInputPolicy" if isinstance(observation, spaces.Dict) else "MlpPolicy"
    arguments = {"n_steps": 8, **({"batch_size": 8} if kind is PPO else {})} if kind is not DQN else {}
    model = kind(policy, Still(observation, action), device="cpu", policy_kwargs=kwargs, **arguments)
    model.save(path)
    return model


def states_for(observation: spaces.Space[Any]) -> States:
    if isinstance(observation, spaces.Dict):
        return random_states({name: space.shape or () for name, space in observation.spaces.items()})
    return random_states({"observation": observation.shape or ()})


@pytest.mark.parametrize("observation", [DICT, FLAT, TABLE], ids=["dict", "flat", "table"])
@pytest.mark.parametrize(
    ("action", "kind", "kwargs"),
    [
        (spaces.Discrete(3), PPO, {}),
        (spaces.MultiDiscrete([3, 4]), PPO, {"net_arch": {"pi": [7, 6], "vf": [5]}, "activation_fn": nn.ReLU}),
        (spaces.Box(-1, 1, (2,)), A2C, {"net_arch": [], "activation_fn": nn.ELU}),
        (spaces.Discrete(2), A2C, {"share_features_extractor": False, "net_arch": [4, 4, 4]}),
    ],
    ids=["discrete", "multidiscrete", "box", "unshared"],
)
def test_a_default_policy_is_rebuilt_as_it_is(
    tmp_path: Path, observation: spaces.Space[Any], action: spaces.Space[Any], kind: Any, kwargs: dict[str, Any]
) -> None:
    model = saved(tmp_path / "m.zip", observation, action, kind, **kwargs)
    content = read_content(tmp_path / "m.zip")
    loaded = load_policy(read_weights(content), ModelSettings())
    states = states_for(observation)
    states = states.in_order(loaded.order(list(states.branches)))
    policy = loaded.over(list(states.branches), ModelSettings())
    check_answers(policy, states)
    outputs = policy(*(torch.as_tensor(x) for x in states.branches.values()))
    given = {name: torch.as_tensor(x) for name, x in states.branches.items()}
    seen = given if isinstance(observation, spaces.Dict) else given["observation"]
    distribution = model.policy.get_distribution(seen).distribution
    assert torch.allclose(outputs["value"], model.policy.predict_values(seen), atol=1e-5)
    if isinstance(action, spaces.Discrete):
        assert torch.allclose(outputs["action_type"].log_softmax(1), distribution.logits, atol=1e-5)
    elif isinstance(action, spaces.MultiDiscrete):
        for name, head in zip(["action_type", "action_size"], distribution, strict=True):
            assert torch.allclose(outputs[name].log_softmax(1), head.logits, atol=1e-5)
    else:
        assert loaded.continuous == {"action"}
        assert torch.allclose(outputs["action"], distribution.mean, atol=1e-5)


@pytest.mark.parametrize(
    "memory",
    [{}, {"n_lstm_layers": 2}, {"enable_critic_lstm": False}, {"enable_critic_lstm": False, "shared_lstm": True}],
    ids=["two", "deep", "linear critic", "shared"],
)
@pytest.mark.parametrize("built", [False, True], ids=["rebuilt", "from a factory"])
def test_a_recurrent_policy_is_explained_at_the_first_step_of_an_episode(
    tmp_path: Path, memory: dict[str, Any], *, built: bool
) -> None:
    model: Any = RecurrentPPO(
        "MlpLstmPolicy", Still(FLAT, spaces.Discrete(3)), n_steps=8, batch_size=8,
        policy_kwargs={"lstm_hidden_size": 5, **memory},
    )  # fmt: skip
    model.save(tmp_path / "m.zip")
    loaded = load_policy(read_weights(read_content(tmp_path / "m.zip")), ModelSettings())
    states = states_for(FLAT)
    ready = policy_of(model.policy) if built else loaded
    outputs = ready.over(["observation"], ModelSettings())(torch.as_tensor(states.branches["observation"]))
    seen = torch.as_tensor(states.branches["observation"])
    nought = tuple(torch.zeros(memory.get("n_lstm_layers", 1), len(seen), 5) for _ in range(2))
    starts = torch.ones(len(seen))
    distribution, _ = model.policy.get_distribution(seen, nought, starts)
    assert torch.allclose(outputs["action_type"].log_softmax(1), distribution.distribution.logits, atol=1e-5)
    value = model.policy.predict_values(seen, nought, starts)
    assert torch.allclose(outputs["value"], value, atol=1e-5)


def test_a_maskable_policy_is_rebuilt_as_it_is_before_the_mask(tmp_path: Path) -> None:
    model = MaskablePPO("MlpPolicy", Still(FLAT, spaces.Discrete(3)), n_steps=8, batch_size=8)
    model.save(tmp_path / "m.zip")
    loaded = load_policy(read_weights(read_content(tmp_path / "m.zip")), ModelSettings())
    seen = torch.as_tensor(states_for(FLAT).branches["observation"])
    outputs = loaded.over(["observation"], ModelSettings())(seen)
    distribution: Any = model.policy.get_distribution(seen).distribution
    assert torch.allclose(outputs["action_type"].log_softmax(1), distribution.logits, atol=1e-5)


def test_a_dict_policy_has_its_branches_in_its_own_order(tmp_path: Path) -> None:
    saved(tmp_path / "m.zip", DICT, spaces.Discrete(3))
    loaded = load_policy(read_weights(read_content(tmp_path / "m.zip")), ModelSettings())
    assert loaded.order(["portfolio", "hf"]) == ["hf", "portfolio"]
    with pytest.raises(LoadError, match="trained on the branches hf, portfolio, but the dump has hf, mf"):
        loaded.order(["hf", "mf"])


def test_the_step_and_the_updates_come_from_the_plain_fields(tmp_path: Path) -> None:
    model = saved(tmp_path / "rl_model_9_steps.zip", FLAT, spaces.Discrete(2))
    model.num_timesteps, model._n_updates = 4096, 20
    model.save(tmp_path / "rl_model_9_steps.zip")
    found = read_weights(read_content(tmp_path / "rl_model_9_steps.zip"))
    assert (found.step, found.update) == (4096, 20)


class Own(nn.Tanh):
    """An activation that torch has not."""


@pytest.mark.parametrize(
    ("observation", "action", "kind", "kwargs", "words"),
    [
        (FLAT, spaces.Discrete(2), DQN, {}, "stable_baselines3.dqn.policies"),
        (FLAT, spaces.MultiBinary(3), PPO, {}, "action space is MultiBinary"),
        (FLAT, spaces.Discrete(2), PPO, {"activation_fn": Own}, "is not one of torch's"),
        (spaces.Discrete(5), spaces.Discrete(2), PPO, {}, "observation space is Discrete"),
        (spaces.Dict({"a": spaces.Discrete(5)}), spaces.Discrete(2), PPO, {}, "'a' is a Discrete"),
    ],
)
def test_what_cannot_be_rebuilt_says_what_is_needed(
    tmp_path: Path, observation: Any, action: Any, kind: Any, kwargs: dict[str, Any], words: str
) -> None:
    saved(tmp_path / "m.zip", observation, action, kind, **kwargs)
    with pytest.raises(LoadError, match=words):
        load_policy(read_weights(read_content(tmp_path / "m.zip")), ModelSettings())


def test_a_policy_from_a_factory_is_explained_by_its_action_distribution(tmp_path: Path) -> None:
    """The demo's own policy: a custom features extractor, whose zip needs its factory."""
    from fxwatch.demo.policy import build

    policy = build()
    loaded_space = policy.observation_space
    assert isinstance(loaded_space, spaces.Dict)
    states = states_for(loaded_space)
    torch.save({"policy": policy.state_dict()}, tmp_path / "p.pt")
    settings = ModelSettings(factory="fxwatch.demo.policy:build")
    loaded = load_policy(read_weights(read_content(tmp_path / "p.pt")), settings)
    states = states.in_order(loaded.order(list(states.branches)))
    outputs = loaded.over(list(states.branches), settings)(*(torch.as_tensor(x) for x in states.branches.values()))
    policy.set_training_mode(False)
    seen = {name: torch.as_tensor(x) for name, x in states.branches.items()}
    heads: Any = policy.get_distribution(seen).distribution
    for name, head in zip(["action_type", "action_size"], heads, strict=True):
        assert torch.allclose(outputs[name].log_softmax(1), head.logits, atol=1e-4)
    assert torch.allclose(outputs["value"], policy.predict_values(seen), atol=1e-4)


def test_the_pickled_fields_are_never_opened(tmp_path: Path) -> None:
    saved(tmp_path / "m.zip", FLAT, spaces.Discrete(2))
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    fields = json.loads(members["data"])
    for field in fields.values():
        if isinstance(field, dict) and ":serialized:" in field:
            field[":serialized:"] = "not even base64"
    members["data"] = json.dumps(fields).encode()
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    load_policy(read_weights(read_content(tmp_path / "m.zip")), ModelSettings())
