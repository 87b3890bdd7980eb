"""What other trainers write: files of their own making, or of exactly their layout, and what is said of odd ones."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fxwatch.load import LoadError, load_policy, read_content, read_weights
from fxwatch.records.settings import ModelSettings

HERE = "tests.load.test_other_trainers"


def mlp(outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, outputs))


class Both(nn.Module):
    """An agent as single-file trainers have it, with a forward."""

    def __init__(self) -> None:
        super().__init__()
        self.critic, self.actor = mlp(1), mlp(2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.actor(x), self.critic(x)


def actor() -> nn.Module:
    return mlp(2)


def loaded(path: Path, factory: str) -> nn.Module:
    return load_policy(read_weights(read_content(path)), ModelSettings(factory=f"{HERE}:{factory}")).model


def same(model: nn.Module, other: nn.Module) -> bool:
    pairs = zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(one, two) for one, two in pairs)


@pytest.mark.parametrize("suffix", ["", "_state_dict"])
def test_an_actor_and_a_critic_are_taken_together_or_the_actor_alone(tmp_path: Path, suffix: str) -> None:
    agent = Both()
    parts = {f"actor{suffix}": agent.actor.state_dict(), f"critic{suffix}": agent.critic.state_dict(), "global_step": 7}
    torch.save(parts, tmp_path / "a.pt")
    assert same(loaded(tmp_path / "a.pt", "Both"), agent)
    assert same(loaded(tmp_path / "a.pt", "actor"), agent.actor)
    assert read_weights(read_content(tmp_path / "a.pt")).step == 7


def test_an_agent_of_a_single_file_trainer(tmp_path: Path) -> None:
    """CleanRL: torch.save(agent.state_dict(), f"runs/{run_name}/{args.exp_name}.cleanrl_model")."""
    from fxwatch.formats import kind_of

    agent, path = Both(), tmp_path / "ppo.cleanrl_model"
    torch.save(agent.state_dict(), path)
    assert kind_of(path.name) == "checkpoint"
    assert same(loaded(path, "Both"), agent)
    assert same(loaded(path, "actor"), agent.actor)


def test_of_parts_that_all_fit_the_one_that_acts_is_taken(tmp_path: Path) -> None:
    critic, acts = mlp(2), mlp(2)
    state = {f"critic.{name}": value for name, value in critic.state_dict().items()}
    state |= {f"actor.{name}": value for name, value in acts.state_dict().items()}
    torch.save(state, tmp_path / "a.pt")
    assert same(loaded(tmp_path / "a.pt", "actor"), acts)


def test_a_policy_of_tianshou_1(tmp_path: Path) -> None:
    """Its layout: {"model": policy.state_dict(), "optim": …}, with networks shared under several names."""
    agent = Both()
    state = {**{f"_actor_critic.{name}": value for name, value in agent.state_dict().items()}}
    state |= agent.state_dict()
    optimizer = torch.optim.Adam(agent.parameters())
    torch.save({"model": state, "optim": optimizer.state_dict()}, tmp_path / "checkpoint_3.pth")
    assert same(loaded(tmp_path / "checkpoint_3.pth", "Both"), agent)


@pytest.mark.parametrize("under", [None, "model"])
def test_what_a_module_keeps_beside_its_weights_does_no_harm(tmp_path: Path, under: str | None) -> None:
    """Tianshou 2: the state dict of an algorithm, which has the states of its optimizers among the weights."""
    agent = Both()
    optimizer = torch.optim.Adam(agent.parameters())
    agent(torch.ones(2, 4))[0].sum().backward()
    optimizer.step()
    state = {**agent.state_dict(), "_optimizers": [optimizer.state_dict()], "actor._extra_state": {"calls": 3}}
    torch.save({under: state} if under else state, tmp_path / "policy_state_dict_epoch_3.pt")
    assert same(loaded(tmp_path / "policy_state_dict_epoch_3.pt", "Both"), agent)
    found = read_weights(read_content(tmp_path / "policy_state_dict_epoch_3.pt"))
    assert found.step == 3
    if under is None:
        assert set(found.optimizer) == {"state", "param_groups"}


def test_an_agent_of_skrl_itself(tmp_path: Path) -> None:
    import gymnasium
    from skrl.agents.torch.ppo import PPO
    from skrl.models.torch import CategoricalMixin, DeterministicMixin, Model

    spaces: Any = gymnasium.spaces
    observation, action = spaces.Box(-1, 1, (4,)), spaces.Discrete(2)

    class Policy(CategoricalMixin, Model):  # type: ignore[misc]
        def __init__(self) -> None:
            Model.__init__(self, observation_space=observation, action_space=action, device="cpu")
            CategoricalMixin.__init__(self)
            self.net = mlp(2)

        def compute(self, *_: Any, **__: Any) -> None: ...

    class Value(DeterministicMixin, Model):  # type: ignore[misc]
        def __init__(self) -> None:
            Model.__init__(self, observation_space=observation, action_space=action, device="cpu")
            DeterministicMixin.__init__(self)
            self.net = mlp(1)

        def compute(self, *_: Any, **__: Any) -> None: ...

    policy = Policy()
    agent = PPO(
        models={"policy": policy, "value": Value()}, observation_space=observation, action_space=action, device="cpu"
    )
    agent.save(str(tmp_path / "agent_100.pt"))
    weights = read_weights(read_content(tmp_path / "agent_100.pt"))
    assert weights.step == 100
    assert {"policy.net.0.weight", "value.net.0.weight"} <= weights.state.keys()
    assert same(load_policy(weights, ModelSettings(factory=f"{HERE}:actor")).model, policy.net)


def test_a_policy_of_torchrl_itself(tmp_path: Path) -> None:
    from tensordict.nn import TensorDictModule

    network = mlp(2)
    policy = TensorDictModule(network, in_keys=["observation"], out_keys=["logits"])
    torch.save({"policy": policy.state_dict(), "collected_frames": 5}, tmp_path / "policy.pt")
    assert same(loaded(tmp_path / "policy.pt", "actor"), network)
    assert read_weights(read_content(tmp_path / "policy.pt")).step == 5


class _OfANewerTorch:
    def __reduce__(self) -> tuple[Any, ...]:
        return _future, ()


def _future() -> None: ...


def test_a_file_of_a_newer_torch_is_not_said_to_be_dangerous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "dtype_of_2030", _future, raising=False)
    monkeypatch.setattr(_future, "__module__", "torch")
    monkeypatch.setattr(_future, "__qualname__", "dtype_of_2030")
    monkeypatch.setattr(_future, "__name__", "dtype_of_2030")
    torch.save({"model": mlp(2).state_dict(), "x": _OfANewerTorch()}, tmp_path / "m.pt", pickle_module=pickle)
    monkeypatch.delattr(torch, "dtype_of_2030")
    with pytest.raises(
        LoadError, match=r"saved by a newer torch: torch .* does not know torch.dtype_of_2030"
    ) as raised:
        read_weights(read_content(tmp_path / "m.pt"))
    assert raised.value.outcome == "unsupported"


def test_a_library_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "needs_more.py").write_text("import some_trading_library\n")
    torch.save(mlp(2).state_dict(), tmp_path / "m.pt")
    weights = read_weights(read_content(tmp_path / "m.pt"))
    with pytest.raises(LoadError, match="install it where fxwatch runs: pip install some-trading-library"):
        load_policy(weights, ModelSettings(factory="needs_more:build", path=[str(tmp_path)]))
    with pytest.raises(LoadError, match="looked in"):
        load_policy(weights, ModelSettings(factory="is_nowhere:build", path=[str(tmp_path)]))
