"""The methods, each asked in the way that is right for a policy: one table from name to function.

They are Captum's own, but for the two on nodes of ours: integrated gradients and expected gradients. All return signed
attributions of the explained scalar; `Attributions.units` are their sums over time.
"""

from fxwatch.attribution.methods.attributions import Attributions, Method
from fxwatch.attribution.methods.deep_lift import deep_lift
from fxwatch.attribution.methods.gradient import input_x_gradient, saliency
from fxwatch.attribution.methods.noise_tunnel import noise_tunnel
from fxwatch.attribution.methods.path import expected_gradients, gradient_shap, integrated_gradients
from fxwatch.attribution.methods.perturbation import feature_ablation, occlusion
from fxwatch.attribution.methods.shapley import kernel_shap, shapley_value_sampling

__all__ = ["BY_GRADIENTS", "METHODS", "Attributions"]

METHODS: dict[str, Method] = {
    "integrated_gradients": integrated_gradients,
    "expected_gradients": expected_gradients,
    "gradient_shap": gradient_shap,
    "deep_lift": deep_lift,
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "feature_ablation": feature_ablation,
    "occlusion": occlusion,
    "shapley_value_sampling": shapley_value_sampling,
    "kernel_shap": kernel_shap,
    "noise_tunnel": noise_tunnel,
}

BY_GRADIENTS = METHODS.keys() - {"feature_ablation", "occlusion", "shapley_value_sampling", "kernel_shap"}
"""Those that see nothing of an input that no gradient reaches."""
