import torch
from torch.distributions import Categorical

from fxwatch.demo.layout import FEATURE_NAMES, action_space, observation_space
from fxwatch.demo.policy import TradingPolicy, build

UNREAD = FEATURE_NAMES["hf"].index("planted_unread")


def observations(count: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: torch.randn(count, *(space.shape or ())) for name, space in observation_space().spaces.items()}


def scalars(policy: TradingPolicy, seen: dict[str, torch.Tensor]) -> torch.Tensor:
    """Something that depends on all that the policy says."""
    latent, _ = policy.mlp_extractor(policy.extract_features(seen))
    return policy.action_net(latent).square().sum() + policy.predict_values(seen).square().sum()  # type: ignore[no-any-return]


def test_it_has_the_spaces_of_the_market() -> None:
    policy = build()
    assert policy.observation_space == observation_space()
    assert policy.action_space == action_space()


def test_it_acts_on_a_batch() -> None:
    actions, values, log_probabilities = build()(observations(5))
    assert actions.shape == (5, 2)
    assert values.shape == (5, 1)
    assert log_probabilities.shape == (5,)


def test_the_first_policy_is_nearly_uniform() -> None:
    distributions = build().get_distribution(observations(8)).distribution
    assert isinstance(distributions, list)
    types = distributions[0]
    assert isinstance(types, Categorical)
    torch.testing.assert_close(types.probs, torch.full((8, 3), 1 / 3), atol=0.05, rtol=0)


def test_no_gradient_reaches_the_unread_feature() -> None:
    policy, seen = build(), observations(6)
    seen["hf"].requires_grad_()
    (gradient,) = torch.autograd.grad(scalars(policy, seen), seen["hf"])
    assert (gradient[..., UNREAD] == 0).all()
    others = [i for i in range(gradient.shape[-1]) if i != UNREAD]
    assert (gradient[..., others].abs().amax(dim=(0, 1)) > 0).all()


def test_every_read_feature_of_every_branch_has_a_gradient() -> None:
    policy, seen = build(), observations(6)
    for rows in seen.values():
        rows.requires_grad_()
    for branch, gradient in zip(seen, torch.autograd.grad(scalars(policy, seen), list(seen.values())), strict=True):
        dead = (gradient.abs().amax(dim=(0, 1)) == 0).nonzero().flatten().tolist()
        assert dead == ([UNREAD] if branch == "hf" else [])


def test_the_unread_feature_changes_nothing() -> None:
    policy, seen = build().eval(), observations(4)
    before = policy.predict_values(seen)
    seen["hf"][..., UNREAD] += 3.0
    assert torch.equal(policy.predict_values(seen), before)


def test_its_projection_column_stays_nought_while_it_learns() -> None:
    policy, seen = build(), observations(16)
    projection = policy.get_parameter("features_extractor.branches.hf.projection.weight")
    before = projection.detach().clone()
    for _ in range(3):
        policy.optimizer.zero_grad()
        scalars(policy, seen).backward()
        policy.optimizer.step()
    assert (projection[:, UNREAD] == 0).all()
    others = [i for i in range(projection.shape[1]) if i != UNREAD]
    assert (projection[:, others] != before[:, others]).all()


def test_dropout_and_mode_make_no_difference() -> None:
    policy, seen = build(), observations(4)
    with torch.no_grad():
        evaluated = policy.eval().predict_values(seen)
        trained = policy.train().predict_values(seen)
    torch.testing.assert_close(evaluated, trained)
