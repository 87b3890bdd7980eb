"""The policy of a checkpoint, ready to be explained: positional branches in, named outputs out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from fxwatch.load.checkpoint import Weights
from fxwatch.load.errors import LoadError
from fxwatch.load.factory import build, private, put_weights
from fxwatch.load.optimizer import moments
from fxwatch.load.outputs import named_outputs
from fxwatch.load.sb3_default import ActionSpace, named_actions, rebuild, remembered
from fxwatch.load.torch_file import first_sentence
from fxwatch.records.moments import Moments
from fxwatch.records.settings import Call, ModelSettings
from fxwatch.records.states import States


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A private copy of the model in eval mode, ready to be called.

    The branches in its own order where it has one, with their shapes; the names of its outputs that are continuous
    actions; and Adam's moments by parameter where the checkpoint has them.
    """

    model: nn.Module
    shapes: Mapping[str, tuple[int, ...]] | None = None
    continuous: frozenset[str] = frozenset()
    moments: Mapping[str, Moments] = field(default_factory=dict)

    def over(self, branches: list[str], settings: ModelSettings) -> nn.Module:
        """The policy as a function of these branches, in this order."""
        if isinstance(self.model, Sb3Policy):
            return self.model.over(branches).eval()
        call: Call = "concat" if self.shapes is not None else settings.call
        return CalledPolicy(self.model, branches, call, {} if self.shapes is not None else settings.outputs).eval()

    def order(self, given: list[str]) -> list[str]:
        """The order in which it takes the given branches. Raises LoadError where it knows others."""
        if self.shapes is None or "" in self.shapes:
            return given
        if set(self.shapes) != set(given):
            raise LoadError(
                f"the policy was trained on the branches {', '.join(self.shapes)}, but the dump has {', '.join(given)}"
            )
        return list(self.shapes)


def load_policy(weights: Weights, settings: ModelSettings) -> LoadedPolicy:
    """Build the model and put the weights in. Raises LoadError."""
    if settings.factory is None and weights.sb3:
        policy, shapes = rebuild(weights.state, weights.sb3)
        continuous = frozenset({"action"}) if policy.space.continuous else frozenset[str]()
        return LoadedPolicy(private(policy), shapes, continuous, moments(weights.optimizer, policy, weights.state))
    model = private(put_weights(build(settings), weights.state))
    return replace(policy_of(model), moments=moments(weights.optimizer, model, weights.state))


def policy_of(model: nn.Module) -> LoadedPolicy:
    """A model that is private already, as its kind is called."""
    if Sb3Policy.fits(model):
        wrapped = Sb3Policy(model)
        return LoadedPolicy(wrapped, wrapped.shapes, frozenset({"action"}) if wrapped.space.continuous else frozenset())
    return LoadedPolicy(model)


def check_answers(policy: nn.Module, states: States) -> None:
    """Ask the policy for one state, so that what does not fit is said once and in words. Raises LoadError."""
    one = one_state(policy, states)
    shapes = ", ".join(f"{name} {array.shape[1:]}" for name, array in states.branches.items())
    try:
        with torch.no_grad():
            outputs = policy(*one)
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(
            f"the model cannot answer the dumped states ({shapes}): {type(error).__name__}: {first_sentence(error)}; "
            "make the dump's branches and [model] call fit its forward"
        ) from error
    for name, output in outputs.items():
        if output.ndim == 0 or len(output) != 1:
            raise LoadError(
                f"output {name} has shape {tuple(output.shape)} for one state; its first axis must be the states",
                config=True,
            )


def one_state(policy: nn.Module, states: States) -> list[Tensor]:
    """The first state by branch, each (1, …), in the type of the policy's weights."""
    weight = next((p for p in policy.parameters() if p.is_floating_point()), None)
    kind = weight.dtype if weight is not None else torch.float32
    return [torch.as_tensor(array[:1], dtype=kind) for array in states.branches.values()]


class CalledPolicy(nn.Module):
    """A model called as its own forward wants it. forward(*branches) -> outputs by name."""

    def __init__(self, model: nn.Module, branches: list[str], call: Call, outputs: Mapping[str, str]) -> None:
        super().__init__()
        self.wrapped, self.branches, self.call, self.outputs = model, branches, call, outputs

    def forward(self, *branches: Tensor) -> dict[str, Tensor]:
        """Outputs by name."""
        return named_outputs(self.returned(*branches), self.outputs)

    def returned(self, *branches: Tensor) -> Any:
        """What the model's forward returns. One that changes its inputs in place changes copies."""
        branches = tuple(branch.clone() for branch in branches)
        if self.call == "dict":
            return self.wrapped(dict(zip(self.branches, branches, strict=True)))
        if self.call == "kwargs":
            return self.wrapped(**dict(zip(self.branches, branches, strict=True)))
        if self.call == "args":
            return self.wrapped(*branches)
        return self.wrapped(torch.cat([branch.flatten(1) for branch in branches], dim=1))


class Sb3Policy(nn.Module):
    """An actor-critic policy of Stable-Baselines3: the logits or the mean of its action distribution, and value."""

    def __init__(self, policy: nn.Module, branches: list[str] | None = None) -> None:
        super().__init__()
        if isinstance(spread := getattr(policy, "log_std", None), nn.Parameter):
            del policy.log_std  # how far actions scatter is no part of what is explained, and no layer
            policy.register_buffer("log_std", spread.detach())
        self.wrapped = policy
        self.branches = branches or []

    @staticmethod
    def fits(model: nn.Module) -> bool:
        """Whether a model is such a policy."""
        return all(
            hasattr(model, name)
            for name in ("extract_features", "mlp_extractor", "action_net", "value_net", "action_space")
        )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Its branches in its own order ("" for a single observation)."""
        space: Any = self.wrapped.observation_space
        if hasattr(space, "spaces") and isinstance(space.spaces, Mapping):
            return {name: tuple(part.shape) for name, part in space.spaces.items()}
        return {"": tuple(space.shape)}

    @property
    def space(self) -> ActionSpace:
        """Its action space."""
        space: Any = self.wrapped.action_space
        kind = type(space).__name__
        if kind == "Discrete":
            return ActionSpace([int(space.n)], continuous=False)
        if kind == "MultiDiscrete":
            return ActionSpace([int(number) for number in space.nvec], continuous=False)
        if kind == "Box":
            return ActionSpace([math.prod(space.shape)], continuous=True)
        raise LoadError(f"its action space is {kind}; known are Discrete, MultiDiscrete and Box", "unsupported")

    def over(self, branches: list[str]) -> "Sb3Policy":
        """The policy as a function of these branches."""
        return Sb3Policy(self.wrapped, branches)

    def forward(self, *branches: Tensor) -> dict[str, Tensor]:
        """Outputs by name."""
        policy: Any = self.wrapped
        shapes = self.shapes
        if "" in shapes:
            flat = torch.cat([branch.flatten(1) for branch in branches], dim=1)
            observation: Any = flat.view(-1, *shapes[""])
        else:
            given = zip(self.branches, branches, strict=True)
            observation = {name: branch.view(-1, *shapes[name]) for name, branch in given}
        features = policy.extract_features(observation)
        pair = features if isinstance(features, tuple) else (features, features)
        for_policy, for_value = remembered(policy, *pair)
        latent_policy = policy.mlp_extractor.forward_actor(for_policy)
        latent_value = policy.mlp_extractor.forward_critic(for_value)
        return {**named_actions(policy.action_net(latent_policy), self.space), "value": policy.value_net(latent_value)}
