"""Analyses of many kinds, made of seeded random numbers: what the page must be able to show."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxwatch.attribution.unexplained import unexplained
from fxwatch.attribution.units import Units
from fxwatch.records.analysis import (
    Analysis,
    BranchShare,
    Checkpoint,
    Consensus,
    Cost,
    DeadFeatures,
    Finding,
    Health,
    MethodReport,
    Pair,
    Stability,
    StatesUsed,
    Target,
    Unit,
)
from fxwatch.records.base import Verdict
from fxwatch.records.gradients import Drop, GradientFlow, LayerGradient
from fxwatch.records.history import HistoryLine
from fxwatch.records.internals import Attention
from fxwatch.records.quality import Concentration, Estimate, Infidelity, QualityMetrics, Sensitivity
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.thresholds import EXPECTED_SHARES
from tests import analyses

Arrays = Mapping[str, NDArray[np.generic]]
Shapes = Mapping[str, tuple[int, int]]

GUIDE: Shapes = {"hf": (60, 9), "mf": (30, 43), "lf": (30, 19), "portfolio": (5, 10)}
METHODS = ["integrated_gradients", "gradient_shap", "deep_lift", "saliency", "feature_ablation"]
_WORDS = [
    "price_velocity", "volume_ratio", "spread", "ema_cross_signal", "rsi_divergence", "bollinger_position",
    "support_distance", "resistance_strength", "moving_average_distance", "position_pnl_percent", "cash_ratio",
    "position_hold_time", "realized_volatility", "stochastic_position", "macd_histogram",
]  # fmt: skip


class Sample(NamedTuple):
    """What a page is drawn from."""

    analysis: Analysis
    arrays: Arrays
    history: Sequence[HistoryLine]


def names_of(shapes: Shapes) -> dict[str, list[str]]:
    """Names of features such as people give them."""
    return {
        branch: [
            f"{_WORDS[i % len(_WORDS)]}{'' if i < len(_WORDS) else f'_{i // len(_WORDS) + 1}'}" for i in range(width)
        ]
        for branch, (_, width) in shapes.items()
    }


def units_of(names: Mapping[str, list[str]], seed: int) -> dict[str, dict[str, Unit]]:
    """Units with falling shares that sum to 1."""
    noise = np.random.default_rng(seed)
    raw = {branch: noise.exponential(1, len(features)) for branch, features in names.items()}
    total = sum(float(values.sum()) for values in raw.values())
    return {
        branch: {
            name: Unit(
                share=float(value / total),
                signed=float(noise.normal()),
                low=float(value / total * 0.8),
                high=float(value / total * 1.25),
            )
            for name, value in zip(features, raw[branch], strict=True)
        }
        for branch, features in names.items()
    }


def scaled(unit: Unit, factor: float) -> Unit:
    """A unit of so much more importance."""
    return Unit(share=unit.share * factor, signed=unit.signed, low=unit.low * factor, high=unit.high * factor)


def heats_of(shapes: Shapes, seed: int) -> dict[str, NDArray[np.generic]]:
    """Heatmaps that grow towards now."""
    noise = np.random.default_rng(seed)
    return {
        f"heat/{branch}": (noise.normal(size=shape) * np.linspace(0.1, 1, shape[0])[:, None]).astype(np.float32)
        for branch, shape in shapes.items()
    }


def layers_of(shapes: Shapes, blocks: int = 2) -> list[str]:
    """Names of layers as a transformer policy has them."""
    parts = ["self_attn", "self_attn.out_proj", "norm1", "linear1", "linear2", "norm2", "dropout_gate", "adapter"]
    inside = [f"transformer.layers.{block}.{part}" for block in range(blocks) for part in parts]
    branches = [f"policy.encoder.branches.{branch}.{part}" for branch in shapes for part in ["projection", *inside]]
    return [*branches, "policy.encoder.fusion", "policy.encoder.norm", "policy.action_net", "policy.value_net"]


def flow_of(layers: Sequence[str], seed: int, **more: Any) -> GradientFlow:
    """Gradients around 0.3."""
    noise = np.random.default_rng(seed)
    norms = 10 ** noise.normal(-0.5, 0.5, len(layers))
    measured = {
        name: LayerGradient(norm=float(norm), mean=float(norm) / 30, weight_ratio=0.1)
        for name, norm in zip(layers, norms, strict=True)
    }
    fields: dict[str, Any] = {"of": "the logit", "layer_gradients": measured, "verdict": "ok", **more}
    return GradientFlow(**fields)


def consensus_of(mean: float, verdict: Verdict, voters: Sequence[str]) -> Consensus:
    """Pairs around a mean."""
    pairs = [
        Pair(methods=(a, b), spearman=min(1.0, mean + 0.1 * ((i + j) % 3 - 1)), jaccard10=0.5)
        for i, a in enumerate(voters)
        for j, b in enumerate(voters)
        if i < j
    ]
    return Consensus(
        mean_correlation=mean,
        standard_error=0.013,
        min_correlation=mean - 0.1,
        std_correlation=0.08,
        agreement_score=0.5,
        voters=[[voter] for voter in voters],
        pairs=pairs,
        verdict=verdict,
    )


def quality_of() -> QualityMetrics:
    """Healthy numbers."""
    return QualityMetrics(
        sparsity=Estimate(value=0.267, standard_error=0.012, verdict="ok"),
        concentration=Concentration(value=0.134, standard_error=0.004, verdict="ok", effective_features=7.46),
        infidelity=Infidelity(value=0.023, standard_error=0.004, verdict="ok", fvu=0.031),
        sensitivity=Sensitivity(value=0.045, standard_error=0.0061, verdict="ok", mean=0.03, radius=0.02),
        completeness=Estimate(value=0.0012, standard_error=0.0002, verdict="ok"),
    )


def shares_of(units: Mapping[str, Mapping[str, Unit]]) -> dict[str, BranchShare]:
    """Shares of branches, judged against the guide's bands."""
    shares = {}
    for branch, features in units.items():
        share = sum(unit.share for unit in features.values())
        band = EXPECTED_SHARES.get(branch)
        verdict: Verdict = band.judge(share)[0] if band else "unknown"
        shares[branch] = BranchShare(
            share=share, low=share * 0.92, high=min(1.0, share * 1.08), expected=band, verdict=verdict
        )
    return shares


def analysis_of(shapes: Shapes, seed: int = 0, names: Mapping[str, list[str]] | None = None, **more: Any) -> Analysis:
    """A healthy analysis of branches of these shapes; `more` replaces parts of it."""
    units = units_of(names or names_of(shapes), seed)
    ranking = {branch: sorted(((n, u.share) for n, u in f.items()), key=lambda r: -r[1]) for branch, f in units.items()}
    fields: dict[str, Any] = {
        "created_at": "2026-11-22T08:09:17.072+00:00",
        "checkpoint": Checkpoint(path="ppo_252420_steps.zip", sha256="0" * 64, format="sb3", step=252420, update=1972),
        "states": StatesUsed(path="states-252416.safetensors", sha256="0" * 64, count=32, branches=dict(shapes)),
        "target": Target(
            config="action_type", words="the logit of the action in the dump", baseline="8 real states of the same dump"
        ),
        "feature_importance": ranking,
        "units": units,
        "branches": shares_of(units),
        "consensus": consensus_of(0.823, "ok", METHODS),
        "quality": quality_of(),
        "gradient_flow": flow_of(layers_of(shapes), seed),
        "dead_features": DeadFeatures(branches={branch: [] for branch in shapes}, total_count=0, verdict="ok"),
        "stability": Stability(previous="step-1", spearman=0.97, jaccard10=0.8, null_low=0.88, verdict="ok"),
        "attention": Attention(stability=0.999, entropy=0.883),
        "methods": {name: MethodReport(status="ok") for name in METHODS},
        "health": Health(verdict="ok"),
        **more,
    }
    return Analysis.of(analyses.analysis(252420, digest="3be426dc"), **fields)


def history_of(analysis: Analysis, length: int) -> list[HistoryLine]:
    """The past of an analysis, of which it is the end."""
    noise = np.random.default_rng(length)
    last = HistoryLine.of(analysis, length - 1)
    verdicts: list[Verdict] = ["ok", "warn", "bad", "unknown"]
    past = [
        last.model_copy(
            update={
                "seq": i,
                "step": None if last.step is None else last.step - 1024 * (length - 1 - i),
                "consensus": None if i % 11 == 5 else float(np.clip(noise.normal(0.7, 0.1), -1, 1)),
                "dead_features": int(noise.integers(0, 8)),
                "verdict": verdicts[int(noise.integers(0, 4))],
            }
        )
        for i in range(length - 1)
    ]
    return [*past, last]


def well() -> Sample:
    """A model of the guide's size, at its best."""
    units = units_of(names_of(GUIDE), 1)
    wanted = {"hf": 0.2, "mf": 0.22, "lf": 0.14, "portfolio": 0.44}
    for branch, share in wanted.items():
        factor = share / sum(unit.share for unit in units[branch].values())
        units[branch] = {name: scaled(unit, factor) for name, unit in units[branch].items()}
    analysis = analysis_of(GUIDE, units=units, branches=shares_of(units))
    return Sample(analysis, heats_of(GUIDE, 1), history_of(analysis, 12))


def guide() -> Sample:
    """A model of the guide's size with a few things to say of it."""
    names = names_of(GUIDE)
    dead = {"hf": [], "mf": names["mf"][-3:], "lf": names["lf"][:1], "portfolio": []}
    causes = {"mf": dict.fromkeys(dead["mf"], "low_importance"), "lf": {dead["lf"][0]: "constant_input"}}
    degenerate = MethodReport(
        status="degenerate",
        reason="its rules cover this model only in part: attributions miss the change of output by 102%",
    )
    findings = [
        finding(
            "bad", "infidelity", "infidelity 0.526 is above 0.1", 512, "do not cut features by these rankings alone"
        ),
        finding(
            "warn",
            "stability",
            "rankings moved since the previous analysis: correlation 0.601, sampling noise alone gives 0.874",
            252420,
            "increase training stability (lower LR)",
        ),
    ]
    quality = quality_of().model_copy(
        update={"infidelity": Infidelity(value=0.526, standard_error=0.077, verdict="bad", fvu=0.585)}
    )
    analysis = analysis_of(
        GUIDE,
        3,
        quality=quality,
        dead_features=DeadFeatures(branches=dead, total_count=4, causes=causes, verdict="ok"),
        stability=Stability(previous="step-1", spearman=0.601, null_low=0.874, verdict="warn"),
        methods={name: degenerate if name == "deep_lift" else MethodReport(status="ok") for name in METHODS},
        consensus=consensus_of(0.62, "warn", [name for name in METHODS if name != "deep_lift"]),
        health=Health(verdict="bad", findings=findings),
    )
    return Sample(analysis, heats_of(GUIDE, 3), history_of(analysis, 40))


def small() -> Sample:
    """One branch, three features, no past, no attention."""
    shapes = {"obs": (1, 3)}
    names = {"obs": ["cart_position", "pole_angle", "pole_velocity"]}
    layers = ["mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net", "value_net"]
    analysis = analysis_of(
        shapes,
        names=names,
        gradient_flow=flow_of(layers, 2),
        attention=Attention(reason="the model has no nn.MultiheadAttention"),
        stability=Stability(null_low=0.9, reason="no previous analysis on the same probe states"),
        checkpoint=Checkpoint(path="best_model.zip", sha256="0" * 64, format="sb3"),
    )
    return Sample(analysis, heats_of(shapes, 2), [HistoryLine.of(analysis, 0)])


def nothing() -> Sample:
    """A model that answers nothing but NaN."""
    reason = "the model answers every state with NaN or Inf"
    missing = Finding(
        metric="outputs",
        value=32,
        threshold=0,
        level="bad",
        message="the model answers 32 of the states with NaN or Inf",
        since_step=252420,
        causes=["weights or activations have overflowed"],
        remedies=["go back to the last checkpoint without NaN"],
    )
    unknown = [
        finding("unknown", metric, f"{metric} was not computed: {reason}", None)
        for metric in ("consensus", "sparsity", "gradient_flow")
    ]
    analysis = analysis_of(
        GUIDE,
        **dict(unexplained(Units(names_of(GUIDE)), AnalysisSettings(), 32, Cost(forwards=1, backwards=1, seconds=1.0))),
        health=Health(verdict="bad", findings=[missing, *unknown]),
    )
    lines = [line.model_copy(update={"consensus": None, "dead_features": None}) for line in history_of(analysis, 5)]
    return Sample(analysis, {}, lines)


def empty() -> Sample:
    """An analysis that holds as good as nothing."""
    analysis = analysis_of(
        {},
        target=Target(config="", words=""),
        created_at="",
        consensus=Consensus(),
        quality=QualityMetrics(),
        gradient_flow=GradientFlow(of=""),
        dead_features=DeadFeatures(),
        stability=Stability(),
        attention=Attention(),
        methods={},
        checkpoint=Checkpoint(path="", sha256="", format=""),
        health=Health(),
    )
    return Sample(analysis, {}, [])


def all_bad() -> Sample:
    """Everything that can be wrong, at once."""
    names = names_of(GUIDE)
    kinds = ["constant_input", "zero_projection", "no_functional_effect", "low_importance"]
    dead = {"hf": names["hf"][:4], "mf": names["mf"][:10], "lf": names["lf"][:4], "portfolio": names["portfolio"][:2]}
    causes = {branch: {name: kinds[i % 4] for i, name in enumerate(found)} for branch, found in dead.items()}
    layers = layers_of(GUIDE)
    flow = flow_of(layers, 5)
    ill = dict(flow.layer_gradients)
    exploding, vanishing, zero = layers[3:6], layers[20:24], layers[40:42]
    for found, norm in ((exploding, 4.2e4), (vanishing, 3e-9), (zero, 0.0)):
        ill.update({name: LayerGradient(norm=norm, mean=norm) for name in found})
    flow = flow.model_copy(
        update={
            "layer_gradients": ill,
            "exploding_gradients": exploding,
            "vanishing_gradients": vanishing,
            "zero": zero,
            "unused": ["policy.auxiliary_head.projection"],
            "nonfinite": ["policy.encoder.branches.hf.extra"],
            "drops": [
                Drop(from_=layers[8], to=layers[7], ratio=0.002),
                Drop(from_=layers[9], to=layers[6], ratio=0.001),
            ],
            "verdict": "bad",
        }
    )
    quality = QualityMetrics(
        sparsity=Estimate(value=0.067, standard_error=0.01, verdict="warn"),
        concentration=Concentration(value=0.734, standard_error=0.02, verdict="bad", effective_features=1.36),
        infidelity=Infidelity(value=0.98, standard_error=0.3, verdict="bad", fvu=12.4),
        sensitivity=Sensitivity(value=3.1, standard_error=1.2, verdict="bad"),
        completeness=Estimate(value=0.083, standard_error=0.01, verdict="warn"),
    )
    metrics = ["infidelity", "sensitivity", "concentration", "consensus", "gradient_flow.exploding",
               "gradient_flow.vanishing", "gradient_flow.zero", "dead_features", "gradient_flow.drops", "branches.hf",
               "sparsity", "states"]  # fmt: skip
    findings = [
        finding(
            "bad" if i < 8 else "warn",
            metric,
            f"{metric} is far from well: 20 things of many are not as they should be, more than {i}",
            1000 * i,
            "reduce learning rate and look again",
        )
        for i, metric in enumerate(metrics)
    ]
    failed = MethodReport(
        status="failed", reason="RuntimeError: Given groups=1, weight of size [64, 9, 3], expected input"
    )
    analysis = analysis_of(
        GUIDE,
        5,
        quality=quality,
        gradient_flow=flow,
        dead_features=DeadFeatures(branches=dead, total_count=20, causes=causes, verdict="bad"),
        stability=Stability(previous="step-1", spearman=-0.2, null_low=0.9, verdict="warn"),
        methods={name: failed if "gradient" in name else MethodReport(status="ok") for name in METHODS},
        consensus=consensus_of(-0.1, "bad", METHODS[2:]),
        states=StatesUsed(
            path="states.npz", sha256="", count=29, branches=dict(GUIDE), left_out=3, left_out_reason="NaN in mf"
        ),
        health=Health(verdict="bad", findings=findings),
    )
    return Sample(analysis, heats_of(GUIDE, 5), history_of(analysis, 3))


HOSTILE = [
    r"$\frac{1}{0}$ $x^{$",
    "line\nbreak\ttab\x00\x1b[31mred",
    "\u202etxt.gpj\u2066",
    "价格速度",
    "a" * 300,
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334algo",
    "\\alpha\\",
    "\U0001f4a9\U0001f600",
    "",
    "_$_",
]


def hostile() -> Sample:
    """Names that are made to harm."""
    shapes = {HOSTILE[0]: (7, 10), HOSTILE[3]: (3, 10), HOSTILE[4]: (4, 10), HOSTILE[2]: (2, 10)}
    names = {branch: list(HOSTILE) for branch in shapes}
    layers = [f"{HOSTILE[4]}.{name}.{i}" for name in HOSTILE for i in range(5)]
    dead = dict.fromkeys(shapes, HOSTILE[:5])
    methods = {name: MethodReport(status="failed", reason=name) for name in HOSTILE}
    findings = [finding("bad", name, f"{name} is above {name}", 5, name) for name in HOSTILE]
    analysis = analysis_of(
        shapes,
        names=names,
        run="\u202erun$\\" + "x" * 300,
        created_at="yesterday\n$",
        checkpoint=Checkpoint(path="/".join(HOSTILE), sha256="", format="", step=-7),
        states=StatesUsed(path=HOSTILE[4], sha256="", count=1, branches=shapes),
        target=Target(config="$", words=HOSTILE[4], baseline=HOSTILE[0]),
        gradient_flow=flow_of(layers, 7, unused=HOSTILE),
        dead_features=DeadFeatures(
            branches=dead,
            total_count=20,
            causes={branch: dict.fromkeys(found, "$x^$") for branch, found in dead.items()},
            verdict="bad",
        ),
        consensus=consensus_of(0.5, "warn", [*METHODS, HOSTILE[0], HOSTILE[4]]),
        attention=Attention(reason="\n".join(HOSTILE)),
        methods={**{name: MethodReport(status="ok") for name in METHODS}, **methods},
        health=Health(verdict="bad", findings=findings),
    )
    return Sample(analysis, heats_of(shapes, 7), history_of(analysis, 4))


def crowded() -> Sample:
    """Eleven branches, seven methods, four hundred layers that run in turns, and a long past without steps."""
    shapes: Shapes = {f"branch_{i}": (1 + 9 * i, 4 + i) for i in range(11)}
    layers = [f"model.stage_{i % 7}.block.{i}.linear" for i in range(400)]
    methods = [*METHODS, "input_x_gradient", "noise_tunnel"]
    voters = consensus_of(0.75, "ok", methods).model_copy(update={"voters": [methods[:3], methods[3:]]})
    analysis = analysis_of(
        shapes,
        9,
        gradient_flow=flow_of(layers, 9),
        consensus=voters,
        methods={n: MethodReport(status="ok") for n in methods},
    )
    past = [line.model_copy(update={"step": None}) for line in history_of(analysis, 800)]
    return Sample(analysis, heats_of(shapes, 9), past)


def partial() -> Sample:
    """A little of everything is missing."""
    shapes: Shapes = {"hf": (4, 3), "mf": (4, 3), "lf": (4, 3), "portfolio": (4, 3), "macro": (4, 3)}
    names = {branch: ["first", "second", "third"] for branch in shapes}
    units = units_of(names, 4)
    units["lf"] = {}
    units["mf"] = {name: Unit(share=0.0, signed=0.0, low=0.0, high=0.0) for name in names["mf"]}
    heats = heats_of(shapes, 4)
    heats["heat/hf"] = np.where(np.eye(4, 3) > 0, np.nan, heats["heat/hf"])
    heats["heat/mf"] = np.zeros((4, 3), np.float32)
    heats["heat/portfolio"] = np.zeros((4, 7), np.float32)
    heats["heat/macro"] = np.array(["no", "numbers"])
    quality = quality_of().model_copy(
        update={"infidelity": Infidelity(reason="removing features never changes the output"), "sparsity": Estimate()}
    )
    shares = {**shares_of(units), "lf": BranchShare(expected=EXPECTED_SHARES["lf"])}
    dead = DeadFeatures(
        branches={"portfolio": names["portfolio"], "macro": ["first"]},
        total_count=4,
        causes={"portfolio": dict.fromkeys(names["portfolio"], "something_new")},
        verdict="ok",
    )
    zero = LayerGradient(norm=0.0, mean=0.0)
    analysis = analysis_of(
        shapes,
        names=names,
        units=units,
        branches=shares,
        quality=quality,
        dead_features=dead,
        gradient_flow=GradientFlow(of="", layer_gradients={"model": zero}, zero=["model"], verdict="bad"),
        consensus=Consensus(voters=[["saliency"]], reason="fewer than two methods could vote"),
        attention=Attention(entropy=0.5, reason="no previous analysis to compare with"),
        methods={"saliency": MethodReport(status="ok"), "deep_lift": MethodReport(status="skipped")},
        health=Health(verdict="warn", findings=[finding("warn", "states", "", None)]),
    )
    past = [line.model_copy(update={"dead_features": None, "step": 7}) for line in history_of(analysis, 6)]
    return Sample(analysis, heats, past)


def extreme() -> Sample:
    """Numbers of every size."""
    shapes: Shapes = {"hf": (1000, 2), "portfolio": (2, 200)}
    layers = ["a.in", "a.out", "b", "c"]
    norms = [5e-324, 1e308, 1.0, 1e-20]
    measured = {name: LayerGradient(norm=norm, mean=norm) for name, norm in zip(layers, norms, strict=True)}
    quality = QualityMetrics(
        sparsity=Estimate(value=1e12, standard_error=1e11, verdict="warn"),
        concentration=Concentration(value=-1e-12, standard_error=1e-30, verdict="warn", effective_features=1e9),
        infidelity=Infidelity(value=1e300, standard_error=1e300, verdict="bad", fvu=1e-300),
        sensitivity=Sensitivity(value=0.0, standard_error=0.0, verdict="ok"),
        completeness=Estimate(value=0.05, standard_error=5.0, verdict="ok"),
    )
    analysis = analysis_of(
        shapes,
        11,
        quality=quality,
        checkpoint=Checkpoint(path="x", sha256="", format="", step=10**15, update=10**12),
        gradient_flow=GradientFlow(of="", layer_gradients=measured, verdict="bad", exploding_gradients=["a.out"]),
        stability=Stability(spearman=1.0, null_low=-1.0, verdict="ok"),
    )
    heats = {"heat/hf": np.full((1000, 2), 1e300), "heat/portfolio": np.full((2, 200), -1e-300)}
    past = [line.model_copy(update={"dead_features": 10**6, "consensus": -1.0}) for line in history_of(analysis, 3)]
    return Sample(analysis, heats, past)


def finding(level: Verdict, metric: str, message: str, since: int | None, *remedies: str) -> Finding:
    """Something that is not well."""
    return Finding(
        metric=metric, value=0.5, threshold=0.1, level=level, message=message, since_step=since, remedies=list(remedies)
    )


SAMPLES: dict[str, Callable[[], Sample]] = {
    sample.__name__: sample
    for sample in (well, guide, small, nothing, empty, all_bad, hostile, crowded, partial, extreme)
}
