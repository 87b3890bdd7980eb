"""Default policies of Stable-Baselines3's PPO and A2C and of sb3-contrib's MaskablePPO and RecurrentPPO, rebuilt from
shapes and plain text, without either.

MlpPolicy and MultiInputPolicy with Box observations flatten their inputs, so weights and field text say all: the layers
by their shapes, the activation by its name, the branches by the order in the text of the observation space.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fxwatch.load.errors import LoadError
from fxwatch.load.outputs import by_head

_OWN_POLICIES = {
    "stable_baselines3.common.policies",
    "sb3_contrib.common.maskable.policies",
    "sb3_contrib.common.recurrent.policies",
}
_TORCH_CLASS = re.compile(r"<class 'torch\.nn\.modules\.activation\.(\w+)'>")
_CLASS_NAME = re.compile(r"<class '[\w.]*?(\w+)'>")
_SPACE = re.compile(r"""(['"])(?P<name>.+?)\1\s*[:,]\s*(?P<kind>\w+)\(""")
_SHAPE = re.compile(r"\((\d+(?:,\s*\d+)*),?\)")
_NEEDS_FACTORY = "set [model] factory to a function that returns the policy"


class ActionSpace(NamedTuple):
    """Logits of each head, or the width of a continuous action."""

    heads: list[int]
    continuous: bool


class MlpExtractor(nn.Module):
    """The hidden layers of policy and value."""

    def __init__(self, state: Mapping[str, Tensor], activation: type[nn.Module]) -> None:
        super().__init__()
        self.policy_net = _layers(state, "mlp_extractor.policy_net.", activation)
        self.value_net = _layers(state, "mlp_extractor.value_net.", activation)


class DefaultPolicy(nn.Module):
    """The policy's layers under the names that policy.pth uses.

    forward(x) with x (N, flat observation) -> outputs by name: logits action_type, action_size, … or `action`; value.
    """

    def __init__(self, state: Mapping[str, Tensor], activation: type[nn.Module], space: ActionSpace) -> None:
        super().__init__()
        self.space = space
        self.mlp_extractor = MlpExtractor(state, activation)
        self.action_net = _linear(state, "action_net")
        self.value_net = _linear(state, "value_net")
        for name in ("lstm_actor", "lstm_critic"):
            if f"{name}.weight_ih_l0" in state:
                self.add_module(name, _lstm(state, name))
        if "critic.weight" in state:
            self.critic = _linear(state, "critic")
        if "log_std" in state:
            self.register_buffer("log_std", torch.zeros_like(state["log_std"]))  # no layer of what is explained

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Outputs by name."""
        latent_policy, latent_value = remembered(self, x, x)
        action = self.action_net(self.mlp_extractor.policy_net(latent_policy))
        value = self.value_net(self.mlp_extractor.value_net(latent_value))
        return {**named_actions(action, self.space), "value": value}


def remembered(policy: Any, features: Tensor, value_features: Tensor) -> tuple[Tensor, Tensor]:
    """What policy and value see of features (N, width): these themselves, or what a recurrent policy's LSTMs make of
    them in the first step of an episode, when their state is nought.
    """
    if getattr(policy, "lstm_actor", None) is None:
        return features, value_features
    latent = _first_step(policy.lstm_actor, features)
    if getattr(policy, "lstm_critic", None) is not None:
        return latent, _first_step(policy.lstm_critic, value_features)
    critic = getattr(policy, "critic", None)
    return latent, critic(value_features) if critic is not None else latent


def _first_step(lstm: Any, features: Tensor) -> Tensor:
    hidden: Tensor = lstm(features[None])[0][0]
    return hidden


def named_actions(action: Tensor, space: ActionSpace) -> dict[str, Tensor]:
    """The output of an action layer by head: (N, sum of heads) -> action_type, action_size, action_3, …, or action."""
    return {"action": action} if space.continuous else by_head(action.split(space.heads, dim=1))


def rebuild(state: Mapping[str, Tensor], fields: Mapping[str, Any]) -> tuple[DefaultPolicy, dict[str, tuple[int, ...]]]:
    """The policy with its weights, and its branches in its own order with their shapes ("" for a single observation).

    Raises LoadError for another algorithm or a custom policy, and says what is needed.
    """
    _check_kind(state, fields)
    branches = _observation(fields.get("observation_space"))
    policy = DefaultPolicy(state, _activation(fields.get("policy_kwargs")), _action(fields.get("action_space")))
    expected, given = policy.state_dict().keys(), state.keys()
    if expected != given:
        odd = ", ".join(sorted(expected ^ given)[:3])
        raise LoadError(f"a custom Stable-Baselines3 policy ({odd}): {_NEEDS_FACTORY}", "unsupported", config=True)
    policy.load_state_dict(dict(state))
    width = sum(math.prod(shape) for shape in branches.values())
    for name, reads in _widths(policy, width).items():
        if reads != width:
            raise LoadError(
                f"its {name} network reads {reads} numbers, but the observation space has {width}: it has a features "
                f"extractor of its own; {_NEEDS_FACTORY}",
                "unsupported",
                config=True,
            )
    return policy, branches


def _widths(policy: DefaultPolicy, width: int) -> dict[str, int]:
    """How many numbers the first layers of policy and value read, of `width`."""
    if isinstance(lstm := getattr(policy, "lstm_actor", None), nn.LSTM):
        return {"recurrent": lstm.input_size}
    nets = {"policy": policy.mlp_extractor.policy_net, "value": policy.mlp_extractor.value_net}
    firsts = {name: next((one for one in net if isinstance(one, nn.Linear)), None) for name, net in nets.items()}
    return {name: first.in_features if first is not None else width for name, first in firsts.items()}


def _check_kind(state: Mapping[str, Tensor], fields: Mapping[str, Any]) -> None:
    module = _text(fields.get("policy_class"), "__module__")
    if not {"action_net.weight", "value_net.weight"} <= state.keys() or module not in _OWN_POLICIES:
        kind = module or "another algorithm than PPO and A2C"
        raise LoadError(
            f"a Stable-Baselines3 model of {kind}; without a factory only PPO, A2C, MaskablePPO and RecurrentPPO with "
            f"their own policies for Boxes are known: {_NEEDS_FACTORY}",
            "unsupported",
            config=True,
        )
    if any(name.startswith(("features_extractor.", "pi_features_extractor.")) for name in state):
        raise LoadError(f"it has a features extractor of its own: {_NEEDS_FACTORY}", "unsupported", config=True)


def _activation(policy_kwargs: Any) -> type[nn.Module]:
    text = _text(policy_kwargs, "activation_fn")
    if not text:
        return nn.Tanh
    found = _TORCH_CLASS.fullmatch(text)
    kind = getattr(nn, found[1], None) if found else None
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise LoadError(f"its activation {text} is not one of torch's: {_NEEDS_FACTORY}", "unsupported", config=True)
    return kind


def _action(space: Any) -> ActionSpace:
    kind = _kind(space)
    if kind == "Discrete":
        return ActionSpace([_whole(_text(space, "n"))], continuous=False)
    if kind == "MultiDiscrete":
        return ActionSpace([int(number) for number in re.findall(r"\d+", _text(space, "nvec"))], continuous=False)
    if kind == "Box":
        return ActionSpace([math.prod(space.get("_shape") or [1])], continuous=True)
    raise LoadError(
        f"its action space is {kind or 'unknown'}; known are Discrete, MultiDiscrete and Box", "unsupported"
    )


def _observation(space: Any) -> dict[str, tuple[int, ...]]:
    kind = _kind(space)
    if kind == "Box" and isinstance(space.get("_shape"), list):
        return {"": tuple(int(length) for length in space["_shape"])}
    if kind != "Dict":
        raise LoadError(f"its observation space is {kind or 'unknown'}; known are Box and Dict of Boxes", "unsupported")
    text = _text(space, "spaces")
    found = list(_SPACE.finditer(text))
    branches = {}
    for place, match in enumerate(found):
        end = found[place + 1].start() if place + 1 < len(found) else len(text)
        shape = _SHAPE.search(text, match.end(), end)
        if match["kind"] != "Box" or shape is None:
            raise LoadError(
                f"its observation {match['name']!r} is a {match['kind']}; only Boxes are known: {_NEEDS_FACTORY}",
                "unsupported",
                config=True,
            )
        branches[match["name"]] = tuple(int(length) for length in shape[1].split(","))
    return branches


def _layers(state: Mapping[str, Tensor], prefix: str, activation: type[nn.Module]) -> nn.Sequential:
    places = sorted(
        int(name.removeprefix(prefix).split(".")[0])
        for name, tensor in state.items()
        if name.startswith(prefix) and name.endswith(".weight") and tensor.ndim == 2
    )
    net = nn.Sequential()
    for place in places:
        net.add_module(str(place), _linear(state, f"{prefix}{place}"))
        net.add_module(str(place + 1), activation())
    return net


def _linear(state: Mapping[str, Tensor], name: str) -> nn.Linear:
    weight = state[f"{name}.weight"]
    return nn.Linear(weight.shape[1], weight.shape[0], bias=f"{name}.bias" in state)


def _lstm(state: Mapping[str, Tensor], name: str) -> nn.LSTM:
    weight = state[f"{name}.weight_ih_l0"]
    layers = sum(key.startswith(f"{name}.weight_ih_l") for key in state)
    return nn.LSTM(weight.shape[1], weight.shape[0] // 4, layers, bias=f"{name}.bias_ih_l0" in state)


def _kind(space: Any) -> str:
    found = _CLASS_NAME.fullmatch(_text(space, ":type:"))
    return found[1] if found else ""


def _text(value: Any, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise LoadError(f"its number of actions reads {text!r}", "unsupported")
    return int(text)
