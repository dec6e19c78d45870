"""What a few cases allow to say: intervals of means, and a paired test of two models.

Cases are taken as independent; several scans of one person are not.

References
----------
.. [1] B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13:
   percentile intervals, and their poor coverage for few values.
.. [2] F. Wilcoxon, Individual comparisons by ranking methods, Biometrics Bulletin 1
   (1945); differences of zero are left out, ties share their mean rank.
.. [3] S. Holm, A simple sequentially rejective multiple test procedure, Scand. J.
   Statist. 6 (1979).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_mednext.evaluation.results import Comparison, Summary, metric_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_mednext.evaluation.results import CaseResult, LabelResult

__all__ = [
    "FEWEST_PAIRS",
    "RESAMPLES",
    "SEED",
    "bootstrap_interval",
    "compare",
    "holm",
    "signed_rank_test",
    "summarise",
]

#: The same cases give the same interval every time.
SEED = 20241
RESAMPLES = 10_000
_LEVEL = 0.95
#: Percentile intervals of fewer values are markedly too narrow.
_FEW = 10
#: With n pairs that differ, the smallest two-sided p is 2 / 2**n: 0.0625 for five.
FEWEST_PAIRS = 6
#: Up to so many pairs all signs are counted; more are approximated by a normal curve.
_EXACT_PAIRS = 200
#: Resamples are drawn in pieces of so many numbers.
_PIECE = 2_000_000


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean by the bootstrap's percentiles.

    Parameters
    ----------
    values : sequence of float
        One a case.

    Returns
    -------
    (low, high) or None
        None for fewer than two values, which tell nothing about their spread.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size < 2:
        return None
    random = np.random.default_rng(SEED)
    rows = max(1, _PIECE // sample.size)
    means = np.concatenate(
        [
            sample[
                random.integers(0, sample.size, (min(rows, left), sample.size))
            ].mean(axis=1)
            for left in range(RESAMPLES, 0, -rows)
        ]
    )
    tail = 50.0 * (1.0 - _LEVEL)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return float(low), float(high)


def signed_rank_test(differences: Sequence[float]) -> tuple[float | None, str, str]:
    """Return Wilcoxon's two-sided p for paired differences.

    Parameters
    ----------
    differences : sequence of float
        One a pair; zeros are left out.

    Returns
    -------
    p : float or None
        None where no p below 0.05 is possible.
    test : str
        Which test.
    note : str
        Why there is no p, else empty.
    """
    given = np.asarray(differences, dtype=np.float64)
    # What differs in the last digits only, does not differ.
    given = np.where(np.abs(given) < 1e-12, 0.0, given)
    used = given[given != 0]
    exact = used.size <= _EXACT_PAIRS
    test = f"Wilcoxon signed rank, {'exact' if exact else 'normal approximation'}"
    if used.size < FEWEST_PAIRS:
        what = "pairs" if used.size == given.size else f"of {given.size} pairs differ"
        note = (
            f"{used.size} {what}: fewer than {FEWEST_PAIRS} cannot give a p below 0.05"
        )
        return None, test, note
    if exact:
        return _exact_p(used), test, ""
    from scipy.stats import wilcoxon

    return float(wilcoxon(used, method="asymptotic").pvalue), test, ""


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number by Holm's procedure.

    Parameters
    ----------
    p_values : sequence of float
        Of one family of tests.

    Returns
    -------
    list of float
        In the same order, at most 1.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - place) * p_values[index]))
        corrected[index] = largest
    return corrected


def summarise(cases: Sequence[CaseResult]) -> tuple[Summary, ...]:
    """Return mean, median and interval of every metric of every label.

    Parameters
    ----------
    cases : sequence of CaseResult
        In which a label may be missing altogether; that case is left out for it.

    Returns
    -------
    tuple of Summary
        By label as they come, and by metric.
    """
    by_name = _by_name(cases)
    return tuple(
        _summary(name, key, list(results.values()), len(cases))
        for name, results in by_name.items()
        for key in _keys(cases)
    )


def compare(
    first: Sequence[CaseResult], second: Sequence[CaseResult]
) -> tuple[Comparison, ...]:
    """Compare two models on the cases that both have, paired by case.

    The volume is compared by absolute errors: a signed one has no better end.

    Parameters
    ----------
    first, second : sequence of CaseResult
        Differences are second minus first.

    Returns
    -------
    tuple of Comparison
        By label and metric. ``p_adjusted`` is corrected over the labels of a metric.
    """
    ones, others = _by_name(first), _by_name(second)
    keys = [key for key in _keys([*first, *second]) if not _is_signed(key)]
    result: list[Comparison] = []
    for key in keys:
        of_metric = [
            _comparison(name, key, ones[name], others[name])
            for name in ones
            if name in others
        ]
        tested = [each for each in of_metric if each.p_value is not None]
        corrected = iter(holm([each.p_value or 0.0 for each in tested]))
        result += [
            each if each.p_value is None else replace(each, p_adjusted=next(corrected))
            for each in of_metric
        ]
    return tuple(sorted(result, key=lambda each: list(ones).index(each.name)))


def _summary(
    name: str, key: str, results: Sequence[LabelResult], cases: int
) -> Summary:
    """Return one metric of one label over the cases."""
    counted = [each for each in results if each.metric(key) is not None]
    values = [value for each in counted if (value := each.metric(key)) is not None]
    interval = bootstrap_interval(values)
    return Summary(
        name=name,
        metric=key,
        counted=len(values),
        left_out=cases - len(values),
        mean=float(np.mean(values)) if values else None,
        median=float(np.median(values)) if values else None,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        missing=sum(each.state == "missing" for each in counted),
        extra=sum(each.state == "extra" for each in counted),
        note=_size_note(len(values)),
    )


def _comparison(
    name: str,
    key: str,
    ones: dict[str, LabelResult],
    others: dict[str, LabelResult],
) -> Comparison:
    """Return the comparison of one metric of one label."""
    differences = []
    for case, one in ones.items():
        first = one.metric(key)
        second = others[case].metric(key) if case in others else None
        if first is not None and second is not None:
            differences.append(second - first)
    interval = bootstrap_interval(differences)
    p_value, test, note = signed_rank_test(differences)
    return Comparison(
        name=name,
        metric=key,
        pairs=len(differences),
        difference=float(np.mean(differences)) if differences else None,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        p_value=p_value,
        test=test,
        note=note,
    )


def _size_note(count: int) -> str:
    """Return what the number of cases means for the interval."""
    if count < 2:
        return f"{count} case{'' if count == 1 else 's'}: no interval"
    if count < _FEW:
        return f"{count} cases: the interval is narrower than it should be"
    return ""


def _by_name(cases: Sequence[CaseResult]) -> dict[str, dict[str, LabelResult]]:
    """Return label -> case -> result; by value, regions as they come."""
    result: dict[str, dict[str, LabelResult]] = {}
    values: dict[str, int] = {}
    for case in cases:
        for label in case.labels:
            result.setdefault(label.name, {})[case.case] = label
            values.setdefault(label.name, label.value or 0)
    is_numbered = all(values.values())
    names = sorted(result, key=values.__getitem__) if is_numbered else list(result)
    return {name: result[name] for name in names}


def _keys(cases: Sequence[CaseResult]) -> tuple[str, ...]:
    """Return the keys of the metrics that the cases have."""
    for case in cases:
        for label in case.labels:
            tolerances = tuple(label.surface_dice)
            return (*metric_keys(tolerances), "absolute_volume_error_ml")
    return ()


def _is_signed(key: str) -> bool:
    """Whether a metric is best in the middle."""
    return key.startswith("volume_error")


def _exact_p(differences: NDArray[np.float64]) -> float:
    """Return Wilcoxon's two-sided p, counting all signs."""
    from scipy.stats import rankdata

    # Mean ranks of ties are whole when doubled.
    ranks = np.rint(2.0 * rankdata(np.abs(differences))).astype(np.int64)
    chances = np.zeros(int(ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in ranks:
        moved = np.zeros_like(chances)
        moved[rank:] = chances[: chances.size - rank]
        chances = 0.5 * (chances + moved)
    positive = int(ranks[differences > 0].sum())
    tail = min(positive, int(ranks.sum()) - positive)
    return float(min(1.0, 2.0 * chances[: tail + 1].sum()))
