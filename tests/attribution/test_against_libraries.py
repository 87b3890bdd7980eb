"""Our numbers against Captum's, scipy's, and formulas written anew from the papers."""

from itertools import combinations

import numpy as np
import pytest
import scipy.stats
import torch
from captum.attr import IntegratedGradients, NoiseTunnel, Saliency
from captum.metrics import infidelity as captum_infidelity
from captum.metrics import sensitivity_max
from hypothesis import given
from hypothesis import strategies as some
from torch import Tensor, nn

from benchmarks import planted_truth
from fxwatch.attribution import trust
from fxwatch.attribution.baselines import baselines, evenly
from fxwatch.attribution.consensus import consensus
from fxwatch.attribution.grid import at_states, expected_gradients, on_three_nodes
from fxwatch.attribution.integrated import integrated_gradients
from fxwatch.attribution.methods import METHODS
from fxwatch.attribution.methods.noise_tunnel import SIGMAS
from fxwatch.attribution.policy import Branches, Explained, Meter
from fxwatch.attribution.spread import concentration, sparsity
from fxwatch.attribution.statistics import expanded_tail, jaccard, ranks, spearman
from fxwatch.attribution.subject import Subject
from fxwatch.attribution.units import Units, by_branch, spread, sum_over_time
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from tests.policies import SmallTransformer, random_states


def subject(settings: AnalysisSettings, states: States | None = None, policy: nn.Module | None = None) -> Subject:
    states = states or random_states({"hf": (6, 5), "portfolio": (2, 3)}, count=12)
    policy = (policy or SmallTransformer()).eval()
    for parameter in policy.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003
    inputs = tuple(torch.as_tensor(array) for array in states.branches.values())
    choice = policy(*inputs)["action_type"].argmax(1)
    return Subject(
        Explained(policy, "action_type", Meter()),
        inputs,
        choice,
        baselines(settings.baseline_type, inputs),
        Units(states.features),
        spread(inputs),
        settings,
    )


def test_integrated_gradients_agree_with_captums_at_many_steps() -> None:
    asked = subject(AnalysisSettings(baseline_type="background"))
    found = METHODS["integrated_gradients"](asked)
    total = torch.zeros_like(found.units)
    for row in range(asked.baselines.count):
        reference = IntegratedGradients(asked.explained).attribute(
            asked.inputs,
            baselines=tuple(b[row : row + 1] for b in asked.baselines.samples),
            additional_forward_args=(asked.choice,),
            n_steps=200,
        )
        total += sum_over_time(reference) / asked.baselines.count
    assert float((found.units - total).norm() / total.norm()) < 0.01
    assert found.delta is not None
    assert float(found.delta.abs().max()) < 0.05 * float(total.sum(1).abs().mean())


def test_noise_tunnel_of_a_trained_policy_errs_half_of_what_captums_does_with_as_many_copies() -> None:
    """Both against Captum's over many copies, each with integrated gradients of its own."""
    shapes = {name: (planted_truth.STEPS[name], len(names)) for name, names in planted_truth.FEATURES.items()}
    trained = planted_truth.train(0, steps=150).policy
    settings = AnalysisSettings(baseline_type="mean", noise_tunnel_samples=25)
    states = random_states(shapes, count=4)
    far = States({name: 2 * x for name, x in states.branches.items()}, states.features)
    asked = subject(settings, far, trained)
    scales = by_branch(asked.deviation, asked.inputs)

    def in_deviations(*scaled: Tensor) -> Tensor:
        *branches, choice = scaled
        output: Tensor = asked.explained(*(z * scale for z, scale in zip(branches, scales, strict=True)), choice)
        return output

    def tunnel(copies: int) -> Tensor:
        found: Branches = NoiseTunnel(IntegratedGradients(in_deviations)).attribute(
            tuple(x / scale for x, scale in zip(asked.inputs, scales, strict=True)),
            nt_samples=copies,
            nt_samples_batch_size=25,
            stdevs=SIGMAS,
            baselines=tuple(b / scale for b, scale in zip(asked.baselines.centre, scales, strict=True)),
            additional_forward_args=(asked.choice,),
            n_steps=12,
        )
        return sum_over_time(found)

    def error(units: Tensor) -> float:
        return float(((units - limit).norm(dim=1) / limit.norm(dim=1)).mean())

    torch.manual_seed(0)
    limit = tunnel(1000)
    ours, theirs = error(METHODS["noise_tunnel"](asked).units), error(tunnel(25))
    assert ours < 0.012
    assert ours < theirs / 2


def test_the_frozen_grid_approaches_expected_gradients() -> None:
    asked = subject(AnalysisSettings())
    exact = sum_over_time(integrated_gradients(asked).attributions)
    errors = [
        float(
            (sum_over_time(expected_gradients(asked, asked.inputs, asked.choice, passes)) - exact).norm() / exact.norm()
        )
        for passes in (1, 4, 16)
    ]
    assert errors[0] < 0.5
    assert max(errors[1:]) < 0.05


def test_saliency_is_captums_in_units_of_each_features_spread() -> None:
    asked = subject(AnalysisSettings())
    inputs = tuple(x.clone().requires_grad_() for x in asked.inputs)
    plain = Saliency(asked.explained).attribute(inputs, abs=False, additional_forward_args=(asked.choice,))
    assert torch.allclose(METHODS["saliency"](asked).units, sum_over_time(plain) * asked.deviation, atol=1e-6)


def captums_sensitivity(asked: Subject, count: int, passes: int) -> float:
    """By Captum's sensitivity_max over so many of the states, of the same attribution under the same noise."""
    rows = torch.linspace(0, asked.count - 1, count).round().long()
    generator = torch.Generator().manual_seed(7)
    scales = torch.split(asked.deviation, [5, 3])

    def explainer(inputs: tuple[Tensor, ...], choice: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            return expected_gradients(asked, inputs, choice, passes=passes)

    def perturb(inputs: tuple[Tensor, ...], _radius: float) -> tuple[Tensor, ...]:
        return tuple(
            x + trust.RADIUS * scale * (2 * torch.rand(x.shape, generator=generator) - 1)
            for x, scale in zip(inputs, scales, strict=True)
        )

    found = sensitivity_max(
        explainer,
        tuple(x[rows] for x in asked.inputs),
        perturb_func=perturb,
        n_perturb_samples=trust.DRAWS,
        max_examples_per_batch=len(rows),
        choice=asked.choice[rows],
    )
    return float(found.mean())


def test_sensitivity_is_captums_for_the_same_explainer_and_noise() -> None:
    asked = subject(AnalysisSettings())
    theirs = captums_sensitivity(asked, trust.SENSITIVITY_STATES, passes=1)
    assert trust.sensitivity(asked).value == pytest.approx(theirs, rel=1e-4)


def test_sensitivity_from_a_single_baseline_is_captums() -> None:
    """Nearly so: with two nodes asked, where Captum follows sixteen."""
    asked = subject(AnalysisSettings(baseline_type="mean"))
    found = trust.sensitivity(asked)
    assert found.value == pytest.approx(captums_sensitivity(asked, asked.count, passes=16), rel=0.02)
    assert 0 < (found.mean or 0) < (found.value or 0)


def test_what_integrated_gradients_know_of_the_grid_is_what_the_grid_would_find() -> None:
    """From a single baseline, whose two outputs explain some of the states each."""
    settings = AnalysisSettings(baseline_type="mean")
    told, anew = subject(settings), subject(settings)
    integrated_gradients(told)
    before = told.explained.meter.backwards
    for passes, known, found in (
        (4, at_states(told, 4), at_states(anew, 4)),
        (3, on_three_nodes(told), on_three_nodes(anew)),
    ):
        for mine, theirs in zip(known, found, strict=True):
            assert torch.allclose(mine, theirs, rtol=1e-4, atol=1e-6), passes
    assert told.explained.meter.backwards == before


def test_sets_of_removed_units_are_the_parts_of_partitions() -> None:
    for units, parts in ((1, 1), (2, 2), (3, 2), (8, 4), (81, 10)):
        masks = trust._masks(units, row=3, count=2 * parts)
        assert masks.any(1).all()
        assert masks.sum(0).tolist() == [2] * units
        assert int(masks.sum(1).max() - masks.sum(1).min()) <= 1


def test_infidelity_is_captums_numerator_over_the_mean_square_change() -> None:
    """With one baseline and captum's `normalize`, E[(βa-b)²]; ours divides by E[b²]."""
    asked = subject(AnalysisSettings(baseline_type="zero"), random_states({"hf": (6, 5), "portfolio": (2, 3)}, count=1))
    signed = sum_over_time(integrated_gradients(asked).attributions)
    ours = trust.infidelity(asked, signed)
    masks = trust._masks(8, 0, trust.SAMPLES)
    turn = iter(masks)
    attributions = tuple(
        (part[:, None] / x.shape[1]).expand_as(x)
        for part, x in zip(torch.split(signed, [5, 3], dim=1), asked.inputs, strict=True)
    )

    def remove(inputs: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Captum asks for the perturbation and the perturbed input; the mask, as our attribution is the effect."""
        rows = [next(turn) for _ in range(len(inputs[0]))]
        table = torch.stack(rows).float()
        out = torch.split(table, [5, 3], dim=1)
        perturbations = tuple(part[:, None].expand_as(x).clone() for part, x in zip(out, inputs, strict=True))
        return perturbations, tuple(x * (1 - part[:, None]) for part, x in zip(out, inputs, strict=True))

    theirs = captum_infidelity(
        asked.explained,
        remove,
        asked.inputs,
        attributions,
        additional_forward_args=(asked.choice,),
        n_perturb_samples=len(masks),
        normalize=True,
    )
    changes = [
        float(
            asked.explained(*asked.inputs, asked.choice)
            - asked.explained(
                *(x * (1 - part) for part, x in zip(torch.split(mask.float(), [5, 3]), asked.inputs, strict=True)),
                asked.choice,
            )
        )
        for mask in masks
    ]
    assert ours.value == pytest.approx(float(theirs) / float(np.mean(np.square(changes))), rel=1e-3)


def test_infidelity_tells_a_right_attribution_from_a_wrong_one() -> None:
    asked = subject(AnalysisSettings())
    right = sum_over_time(integrated_gradients(asked).attributions)
    wrong = torch.randn(right.shape, generator=torch.Generator().manual_seed(0))
    good, bad = trust.infidelity(asked, right), trust.infidelity(asked, wrong)
    assert (good.value or 1) < 0.25 < (bad.value or 0)
    assert good.value == pytest.approx(trust.infidelity(asked, 7 * right).value, rel=1e-4)
    assert (trust.infidelity(asked, 7 * right).fvu or 0) > 1


def test_sparsity_and_concentration_by_their_formulas() -> None:
    signed = torch.randn(20, 12, generator=torch.Generator().manual_seed(1)) ** 3
    share = signed.abs().double().numpy()
    share = share / share.sum(1, keepdims=True)
    assert sparsity(signed).value == pytest.approx((share < 0.1 / 12).mean())
    herfindahl = (share**2).sum(1)
    found = concentration(signed)
    assert found.value == pytest.approx(herfindahl.mean())
    assert found.standard_error == pytest.approx(scipy.stats.sem(herfindahl))
    assert found.effective_features == pytest.approx(1 / herfindahl.mean())
    differences = np.abs(share[:, :, None] - share[:, None, :]).mean((1, 2))
    assert found.gini == pytest.approx((differences / (2 * share.mean(1))).mean())


@pytest.mark.parametrize(
    ("name", "importance", "index", "sparse"),
    [
        ("all alike", np.ones(74), 1 / 74, 0.0),
        ("Zipf 1.5", np.arange(1, 75) ** -1.5, 0.212, 0.39),
        ("one alone", np.eye(74)[0], 1.0, 73 / 74),
    ],
)
def test_the_guides_bands_mean_what_the_research_found(
    name: str, importance: np.ndarray, index: float, sparse: float
) -> None:
    signed = torch.as_tensor(importance, dtype=torch.float32)[None]
    assert concentration(signed).value == pytest.approx(index, rel=0.05), name
    assert sparsity(signed).value == pytest.approx(sparse, abs=0.02), name


@given(some.lists(some.lists(some.integers(-3, 3), min_size=4, max_size=4), min_size=2, max_size=2))
def test_ranks_and_spearman_are_scipys(rows: list[list[int]]) -> None:
    a, b = (torch.tensor(row, dtype=torch.float64) for row in rows)
    assert ranks(a).tolist() == scipy.stats.rankdata(a.numpy()).tolist()
    if len(set(rows[0])) > 1 and len(set(rows[1])) > 1:
        assert float(spearman(a, b)) == pytest.approx(scipy.stats.spearmanr(a, b).statistic)
    else:
        assert torch.isnan(spearman(a, b))


@pytest.mark.parametrize("count", [5, 8, 16, 32, 1000])
def test_the_tail_of_intervals_is_expanded_by_students_t(count: int) -> None:
    student = float(scipy.stats.t.ppf(0.025, count - 1))
    assert expanded_tail(count) == pytest.approx(
        float(scipy.stats.norm.cdf(student * (count / (count - 1)) ** 0.5)), rel=0.05
    )


def test_jaccard_counts_the_overlap_of_the_largest() -> None:
    a, b = torch.arange(20.0), torch.arange(20.0).roll(5)
    top_a, top_b = set(range(10, 20)), set(np.argsort(-b.numpy())[:10].tolist())
    assert float(jaccard(a, b)) == pytest.approx(len(top_a & top_b) / len(top_a | top_b))


def test_consensus_is_the_mean_of_scipys_correlations_by_state() -> None:
    generator = torch.Generator().manual_seed(3)
    truth = torch.randn(16, 9, generator=generator)
    voters = {name: truth + 0.5 * torch.randn(16, 9, generator=generator) for name in "abc"}
    found = consensus(voters)
    expected = [
        np.mean([scipy.stats.spearmanr(voters[x][row].abs(), voters[y][row].abs()).statistic for row in range(16)])
        for x, y in combinations("abc", 2)
    ]
    assert found.mean_correlation == pytest.approx(np.mean(expected))
    assert found.min_correlation == pytest.approx(np.min(expected))
    assert found.std_correlation == pytest.approx(np.std(expected))
    assert found.agreement_score == pytest.approx(np.mean(np.array(expected) > 0.7))


def test_a_duplicated_method_has_no_second_vote() -> None:
    generator = torch.Generator().manual_seed(3)
    a, b = torch.randn(16, 9, generator=generator), torch.randn(16, 9, generator=generator)
    with_copy, without = consensus({"a": a, "copy": a * 2, "b": b}), consensus({"a": a, "b": b})
    assert with_copy.voters == [["a", "copy"], ["b"]]
    assert with_copy.mean_correlation == without.mean_correlation
    assert len(with_copy.pairs) == 3


def test_one_voter_gives_no_consensus_but_a_reason() -> None:
    a = torch.randn(4, 6)
    assert consensus({"a": a, "b": a}).mean_correlation is None
    assert "one voter" in (consensus({"a": a, "b": a}).reason or "")
    assert "fewer than two" in (consensus({"a": a}).reason or "")


@given(some.integers(1, 500), some.integers(1, 64))
def test_rows_are_taken_evenly_and_each_once(total: int, wanted: int) -> None:
    rows = evenly(total, wanted)
    assert len(rows) == len(set(rows)) == min(total, wanted)
    assert rows == sorted(rows)
    assert rows[0] == 0
    assert rows[-1] == total - 1 or wanted == 1
