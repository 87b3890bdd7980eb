"""Student's distribution, by the standard library alone."""

from statistics import NormalDist


def student_quantile(probability: float, free: float) -> float:
    """A quantile for so many degrees of freedom (Abramowitz and Stegun 1964, 26.7.5); within 3 % from 4 on."""
    z = NormalDist().inv_cdf(probability)
    terms = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + sum(term / free ** (power + 1) for power, term in enumerate(terms))
