"""What a user may ask of an analysis: the guide's AttributionConfig, under the same names."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from fxwatch.records.thresholds import Strict

BaselineType = Literal["background", "mean", "zero", "gaussian"]
Call = Literal["dict", "kwargs", "args", "concat"]

MethodName = Literal[
    "integrated_gradients",
    "expected_gradients",
    "gradient_shap",
    "deep_lift",
    "saliency",
    "input_x_gradient",
    "feature_ablation",
    "occlusion",
    "shapley_value_sampling",
    "kernel_shap",
    "noise_tunnel",
]


def _steps(value: object) -> object:
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if number != "auto" and (not isinstance(number, int) or isinstance(number, bool) or number < 2):
        raise ValueError('it must be "auto" or a whole number of at least 2')
    return number


Steps = Annotated[Literal["auto"] | int, BeforeValidator(_steps)]


class AnalysisSettings(Strict):
    """How a checkpoint is explained."""

    target: str = Field(default="action_type", description="the output that is explained, a name of [model.outputs]")
    actions: list[str] = Field(default=[], description="names of the target's actions, in the order of its logits")
    primary_method: MethodName = Field(default="integrated_gradients", description="the method that ranks")
    secondary_methods: list[MethodName] = Field(
        default=["gradient_shap", "deep_lift", "saliency", "feature_ablation"],
        description="methods that vote beside it",
    )
    n_steps: Steps = Field(default="auto", description="quadrature nodes of integrated gradients, or auto")
    n_samples: int = Field(
        default=32, ge=1, description="random samples a state that gradient_shap is to be as accurate as"
    )
    use_noise_tunnel: bool = Field(default=False, description="let SmoothGrad over integrated gradients vote, too")
    noise_tunnel_samples: int = Field(default=25, ge=2, description="noisy copies of a state for it")
    baseline_type: BaselineType = Field(default="background", description="what a state is compared with")
    track_gradients: bool = Field(default=True, description="measure gradient flow by layer")
    track_activations: bool = Field(default=False, description="measure dormant units by layer")
    track_layers: bool = Field(default=False, description="measure what flows through each layer and attention head")
    neuron_layer: str = Field(default="", description="a layer whose leading neurons are explained; empty: none")
    every: int = Field(default=1, ge=1, description="analyse every Nth checkpoint of a run")
    max_states: int = Field(default=32, ge=1, description="states analysed of a dump, evenly over it")
    audit_every: int = Field(
        default=50, ge=0, description="one analysis in so many is checked by plain Captum; 0: none"
    )
    dead_min_history: int = Field(
        default=10, ge=1, description="analyses before low importance may call a feature dead"
    )

    @field_validator("actions")
    @classmethod
    def _each_named_once(cls, actions: list[str]) -> list[str]:
        if twice := [name for name in actions if actions.count(name) > 1]:
            raise ValueError(f"two actions have the name {twice[0]!r}")
        return actions


class ModelSettings(Strict):
    """Where the model comes from, and how it is called."""

    factory: str | None = Field(default=None, description="import string 'package.module:function' -> nn.Module")
    factory_args: dict[str, JsonValue] = Field(default={}, description="keyword arguments of the factory")
    path: list[str] = Field(default=["."], description="added to the Python path, relative to this file")
    safe_globals: list[str] = Field(
        default=[], description="exact names of what checkpoints may hold beside tensors, as argparse.Namespace"
    )
    call: Call = Field(default="dict", description="how branches are passed to forward; concat: as one flat tensor")
    state_dict_key: str = Field(default="auto", description="where the weights are in the checkpoint; dots descend")
    outputs: dict[str, str] = Field(
        default={}, description="where each output is in what forward returns, as in '0.1'; '' is the whole"
    )


class InputSettings(Strict):
    """One branch of the model's inputs."""

    features: list[str] | None = Field(default=None, description="names of the features, in the order of the columns")
    columns: tuple[int, int] | None = Field(
        default=None, description="first and one past the last column of a flat observation"
    )

    @model_validator(mode="after")
    def _ordered_columns(self) -> Self:
        if self.columns is not None and not 0 <= self.columns[0] < self.columns[1]:
            raise ValueError(f"columns = {list(self.columns)} must be [first, one past the last]")
        return self
