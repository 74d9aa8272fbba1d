"""The selection of examples that a person labels next."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sprout.config.compose import compose_config
from sprout.config.label import LABELS, Coverage, Entropy, Label, Margin, Mixture, Random
from sprout.config.validate import choice
from sprout.label.coverage import by_typicality, clusters, farthest, typical, unit_length
from sprout.label.mixture import lazy_greedy, represent, squared_distances
from sprout.label.selection import Pool, select
from sprout.label.uncertainty import by_entropy, by_margin
from sprout.runtime.errors import UserError

TYPICAL, FARTHEST = (Coverage(20, "coverage", rule, 5) for rule in ("typical", "farthest"))
MIXTURE = Mixture(20, "mixture", 5)
STRATEGIES: dict[str, Label] = {
    "random": Random(20, "random"),
    "margin": Margin(20, "margin"),
    "entropy": Entropy(20, "entropy"),
    "typical": TYPICAL,
    "farthest": FARTHEST,
    "mixture": MIXTURE,
}
SIZES = (30, 20, 10)
"""Of the groups that `grouped` makes."""


def pool_of(features: Any, probabilities: Any = None, labelled: Any = None) -> Pool:
    """A pool; all labelled examples are of class 0."""
    features = np.asarray(features, np.float32)
    known = np.zeros((0, features.shape[1])) if labelled is None else np.asarray(labelled)
    given = None if probabilities is None else np.asarray(probabilities, np.float32)
    return Pool(features, given, known.astype(np.float32), np.zeros(len(known), np.int64))


def grouped(seed: int = 0) -> tuple[Any, Any]:
    """Features in groups of `SIZES` in three directions, and the group of each."""
    group = np.repeat(np.arange(3), SIZES)
    noise = np.random.default_rng(seed).normal(0, 0.05, (len(group), 3))
    return (np.eye(3)[group] + noise).astype(np.float32), group


def drawn(examples: int, size: int = 8, classes: int = 4, labelled: int = 6, seed: int = 0) -> Pool:
    """A pool of random features and probabilities."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.ones(classes), examples)
    features, known = (generator.normal(size=(n, size)) for n in (examples, labelled))
    return pool_of(features, probabilities, known)


TWO = np.array([[0.9, 0.1], [0.55, 0.45], [0.3, 0.7], [0.5, 0.5]])


@pytest.mark.parametrize("settings", [STRATEGIES["margin"], STRATEGIES["entropy"]])
def test_of_two_classes_the_nearest_to_the_boundary_come_first(settings: Label) -> None:
    assert select(settings, pool_of(np.ones((4, 2)), TWO), 3, 0).tolist() == [3, 1, 2]


def test_margin_looks_at_the_two_most_probable_classes_and_entropy_at_all() -> None:
    of_three = [[0.5, 0.5, 0.0], [0.45, 0.3, 0.25], [0.8, 0.1, 0.1]]
    pool = pool_of(np.ones((3, 2)), of_three)
    assert select(STRATEGIES["margin"], pool, 3, 0).tolist() == [0, 1, 2]
    assert select(STRATEGIES["entropy"], pool, 3, 0).tolist() == [1, 0, 2]


def test_uncertainty_in_numbers() -> None:
    found = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.6, 0.3, 0.1]], np.float32)
    np.testing.assert_allclose(by_margin(found), [1, 0, 0.7], rtol=1e-6)
    np.testing.assert_allclose(by_entropy(found), [np.log(2), 0, 0.897946], rtol=1e-5)
    assert by_margin(np.ones((2, 1), np.float32)).tolist() == [0, 0], "a single class leaves no doubt"


def test_equally_uncertain_ones_keep_their_order() -> None:
    assert select(STRATEGIES["margin"], pool_of(np.ones((4, 2)), np.full((4, 2), 0.5)), 3, 0).tolist() == [0, 1, 2]


@pytest.mark.parametrize("settings", [TYPICAL, FARTHEST])
def test_coverage_takes_one_of_each_group(settings: Label) -> None:
    features, group = grouped()
    assert sorted(group[select(settings, pool_of(features), 3, 0)]) == [0, 1, 2]


def test_typical_takes_the_largest_group_first_and_leaves_out_labelled_ones() -> None:
    features, group = grouped()
    assert group[select(TYPICAL, pool_of(features), 3, 0)].tolist() == [0, 1, 2]
    rows = select(TYPICAL, pool_of(features, labelled=np.eye(3)[[0]]), 2, 0)
    assert group[rows].tolist() == [1, 2]


def on_circle(degrees: Any) -> Any:
    """Features in these directions."""
    return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1).astype(np.float32)


def test_typical_takes_the_densest_example_of_a_group() -> None:
    degrees = np.array([0, 5, 6, 8, 14, 80, 87, 88, 91.0])
    rows = select(Coverage(20, "coverage", "typical", 2), pool_of(on_circle(degrees)), 2, 0)
    assert degrees[rows].tolist() == [6, 88], "mean distances to two neighbours of 1.5 and 2 degrees; the larger first"
    assert degrees[by_typicality(on_circle(degrees[:5]), 2)].tolist() == [6, 5, 8, 0, 14]


def test_farthest_goes_away_from_labelled_and_selected_ones() -> None:
    degrees = np.array([10.0, 40, 60, 90, 170])
    assert degrees[farthest(on_circle(degrees), on_circle([0.0]), 4, 0)].tolist() == [170, 90, 40, 60]


def test_the_mixture_takes_uncertain_examples_that_many_others_are_near_to() -> None:
    features, group = grouped()
    doubt = np.where(group == 1, 0.9, 0.05).astype(np.float32)
    assert group[represent(features, doubt, features[:0], 1, 5)].tolist() == [1]
    for of_last, expected in ((0.35, [0, 1, 2]), (0.5, [0, 2, 1])):
        doubt = np.where(group == 2, of_last, 0.3).astype(np.float32)  # 30 × 0.3², 20 × 0.3², and 10 × that of the last
        assert group[represent(features, doubt, features[:0], 3, 5)].tolist() == expected


def test_the_mixture_needs_no_second_label_in_a_place() -> None:
    features, group = grouped()
    equal = np.full(len(features), 0.5, np.float32)
    assert group[represent(features, equal, np.eye(3, dtype=np.float32)[[0, 2]], 1, 5)].tolist() == [1]


def test_without_a_model_the_mixture_takes_typical_examples_and_margin_is_refused() -> None:
    pool = pool_of(grouped()[0])
    assert (select(MIXTURE, pool, 4, 7) == select(TYPICAL, pool, 4, 7)).all()
    for name in ("margin", "entropy"):
        with pytest.raises(UserError, match=f"^label.strategy={name}: needs a trained model.*label=coverage"):
            select(STRATEGIES[name], pool, 4, 7)


@pytest.mark.parametrize("settings", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize(("examples", "labelled"), [(40, 6), (40, 0), (1, 0), (1, 3), (12, 6), (3, 30)])
def test_rows_are_different_and_the_same_for_the_same_seed(settings: Label, examples: int, labelled: int) -> None:
    pool = drawn(examples, labelled=labelled)
    rows = select(settings, pool, 12, 3)
    assert (rows.dtype, len(rows)) == (np.int64, min(12, examples))
    assert len(set(rows.tolist())) == len(rows)
    assert ((rows >= 0) & (rows < examples)).all()
    np.testing.assert_array_equal(rows, select(settings, pool, 12, 3))


@pytest.mark.parametrize("settings", STRATEGIES.values(), ids=STRATEGIES)
def test_duplicates_are_selected_once_each(settings: Label) -> None:
    features = np.repeat([[1.0, 0.0], [0.0, 1.0]], 5, axis=0)
    pool = pool_of(features, np.tile([[0.6, 0.4]], (10, 1)), labelled=features[:2])
    rows = select(settings, pool, 10, 0)
    assert sorted(rows.tolist()) == list(range(10))


@pytest.mark.parametrize("settings", [TYPICAL, FARTHEST, MIXTURE])
def test_of_duplicates_one_comes_before_the_second(settings: Label) -> None:
    features = np.repeat(np.eye(3), 4, axis=0)
    rows = select(settings, pool_of(features, np.full((12, 2), 0.5)), 3, 0)
    assert sorted((rows // 4).tolist()) == [0, 1, 2]


@pytest.mark.parametrize("settings", STRATEGIES.values(), ids=STRATEGIES)
def test_zeros_and_an_empty_pool_have_an_answer(settings: Label) -> None:
    assert len(select(settings, pool_of(np.zeros((4, 3)), np.full((4, 2), 0.5), np.zeros((2, 3))), 3, 0)) == 3
    assert select(settings, drawn(0), 5, 0).tolist() == []
    assert select(settings, drawn(5), 0, 0).tolist() == []


def test_another_seed_draws_others() -> None:
    pool = drawn(100)
    assert set(select(STRATEGIES["random"], pool, 10, 0)) != set(select(STRATEGIES["random"], pool, 10, 1))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"features": np.array([[np.nan, 1]])}, "features has NaN or infinite numbers"),
        ({"labelled": np.array([[np.inf, 1]])}, "labelled has NaN or infinite numbers"),
        ({"probabilities": np.array([[np.nan, 1]])}, "probabilities has NaN or infinite numbers"),
        ({"probabilities": np.ones((2, 2))}, "probabilities has 2 rows, not 1"),
        ({"labelled": np.ones((1, 3))}, r"labelled has the shape \(1, 3\), not \(1, 2\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes: dict[str, Any], said: str) -> None:
    given = {"features": np.ones((1, 2)), "probabilities": np.ones((1, 2)), "labelled": np.ones((1, 2))}
    with pytest.raises(ValueError, match=said):
        Pool(**(given | changes), classes=np.zeros(1, np.int64))


@pytest.mark.parametrize("settings", [TYPICAL, FARTHEST, MIXTURE])
def test_features_are_compared_by_their_direction(settings: Label) -> None:
    pool, lengths = drawn(40), 2.0 ** np.random.default_rng(1).integers(-3, 4, (40, 1)).astype(np.float32)
    longer = Pool(pool.features * lengths, pool.probabilities, pool.labelled, pool.classes)
    np.testing.assert_array_equal(select(settings, pool, 12, 0), select(settings, longer, 12, 0))


def test_zeros_stay_where_features_are_scaled() -> None:
    np.testing.assert_allclose(unit_length(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])


def test_more_clusters_than_different_rows_leave_some_empty() -> None:
    found = clusters(np.repeat([[1.0, 0.0], [0.0, 1.0]], 3, axis=0), 4, 0)
    assert len(set(found.tolist())) == 2
    assert len(set(typical(np.repeat([[1.0, 0.0], [0.0, 1.0]], 3, axis=0), np.zeros((0, 2)), 4, 20, 0).tolist())) == 4


def test_a_build_knows_nothing_of_the_section(project: Path) -> None:
    plain, other = (compose_config(Path("conf"), "digits", given) for given in ([], ["label=random"]))
    assert plain.text == other.text
    assert "label" not in plain.config
    sections = plain.outside["label"], other.outside["label"]
    assert (sections[0]["strategy"], sections[1]) == ("mixture", {"strategy": "random", "batch": 20})


@pytest.mark.parametrize(("name", "settings"), [(each, LABELS[each]) for each in LABELS])
def test_each_strategy_has_a_file(project: Path, name: str, settings: type[Label]) -> None:
    values = compose_config(Path("conf"), "digits", [f"label={name}"]).outside["label"]
    assert isinstance(choice("label", values, "strategy", LABELS), settings)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "label.strategy=margn",
            r'label.strategy="margn": unknown \(did you mean margin\?\); accepted: random, margin',
        ),
        ("label.neighbours=0", "label.neighbours=0: "),
        ("label.rule=typical", 'label.rule="typical": no such key'),
    ],
)
def test_a_wrong_setting_is_refused_by_name(project: Path, override: str, said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}"):
        compose_config(Path("conf"), "digits", [override])


def test_lazy_greedy_selects_what_plain_greedy_does() -> None:
    generator = np.random.default_rng(0)
    features, weights = generator.normal(size=(60, 3)), generator.random(60)
    similarity, near = np.exp(-squared_distances(features, features)), generator.random(60) / 2
    expected: list[int] = []
    for _ in range(20):
        best = near if not expected else np.maximum(near, similarity[expected].max(axis=0))
        sums = [weights @ np.maximum(best, each) if row not in expected else -1 for row, each in enumerate(similarity)]
        expected.append(int(np.argmax(sums)))
    assert lazy_greedy(similarity, weights, near, 20).tolist() == expected


def test_more_than_can_be_compared_come_by_uncertainty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sprout.label.mixture.CANDIDATES", 4)
    features, doubt = drawn(9).features, np.linspace(0.9, 0.1, 9, dtype=np.float32)
    rows = represent(features, doubt, features[:0], 8, 5).tolist()
    assert (sorted(rows[:4]), rows[4:]) == ([0, 1, 2, 3], [4, 5, 6, 7])
    assert set(represent(features, doubt, features[:0], 3, 5).tolist()) < {0, 1, 2, 3}
