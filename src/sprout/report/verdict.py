"""The sentences at the head of the page: what came out, and how far to trust it."""

from collections.abc import Mapping

from sprout.report.tables import Outcome
from sprout.report.wording import compact, count, decimal, percent, plural

BEYOND_CHANCE = 0.05


def headline(errors: Mapping[str, float], digits: int) -> str:
    """The result in one line. `errors`: the test error of each model shown, in 0..1."""
    teacher = percent(errors["teacher"], digits)
    if "student" not in errors:
        return f"Test error {teacher} (the student is the teacher)"
    return f"Test error {teacher} → {percent(errors['student'], digits)} (teacher → student)"


def explanation(errors: Mapping[str, float], digits: int, found: Outcome, pool: int, accepted: int) -> str:
    """What the headline means, in a few plain sentences; it says so when the student got worse."""
    if "student" not in errors:
        return f"{_why_no_student(pool, accepted)} So the student is the teacher: this page shows one model."
    gain = errors["teacher"] - errors["student"]
    examples = plural(found.total, "test example")
    size = f"{100 * abs(gain):.{digits}f} points on {examples}"
    if abs(gain) < 1e-9:
        result = f"Learning from pseudo-labels left the error on {examples} as it was."
    elif gain > 0:
        result = f"Learning from pseudo-labels lowered the error by {size}."
    else:
        result = f"Learning from pseudo-labels made it worse: the error rose by {size}."
    return f"{result} {_sure(found)}"


def _why_no_student(pool: int, accepted: int) -> str:
    if pool == 0:
        return "The unlabelled pool is empty, so there was nothing to learn from beside the true labels."
    if accepted == 0:
        return f"No pseudo-label was accepted, of {plural(pool, 'unlabelled example')}."
    return "No retrained model was kept."


def _sure(found: Outcome) -> str:
    """Whether equally good models would differ so much by chance."""
    if found.mended + found.broken == 0:
        return "Both models are right and wrong on the same examples."
    often = "less than 0.1%" if found.chance < 0.001 else percent(found.chance)
    judged = "too rarely to be called chance" if found.chance < BEYOND_CHANCE else "so it may be chance"
    return (
        f"The student mended {plural(found.mended, 'mistake')} of the teacher's and made "
        f"{count(found.broken)} new. Between equally good models, so uneven a split comes up in {often} of "
        f"cases, {judged}."
    )


def classifier(classes: int, labelled: int, unlabelled: int) -> str:
    """What was built, of so many classes and from so many training examples."""
    given = f"{plural(labelled, 'labelled training example')} and {plural(unlabelled, 'unlabelled example')}"
    return f"A classifier of {classes} classes, from {given}."


NO_STUDENT = "Pseudo-labels are for classes, so there is no student: this page shows the teacher."


def regressor(known: int) -> str:
    """What was built, from so many training examples."""
    return f"A model that predicts a number, from {plural(known, 'training example')} whose number is known."


def regression_headline(scores: Mapping[str, float | None]) -> str:
    """The result in one line."""
    if scores["mae"] is None:
        return "A number predicted, and no test example to try it on"
    share = "" if scores["r2"] is None else f", R² {decimal(scores['r2'], 2)}"
    return f"Off by {compact(scores['mae'])} on average{share}"


def regression_explanation(scores: Mapping[str, float | None], tested: int) -> str:
    """What the headline means."""
    if scores["mae"] is None:
        return f"The test split has no example whose number is known. {NO_STUDENT}"
    off = f"On {plural(tested, 'test example')}, the prediction is off by {compact(scores['mae'])} on average."
    r2 = scores["r2"]
    if r2 is None:
        told = "Their true values are all the same, so there is no variance to explain."
    elif r2 <= 0:
        told = "That is no better than always saying the mean of the true values."
    else:
        told = f"It accounts for {percent(r2)} of the variance of the true values."
    return f"{off} {told} {NO_STUDENT}"


def reconstructor(noise: float, seen: int) -> str:
    """What was built, from so many images."""
    what = f"A model that takes noise of spread {noise:g} out of images" if noise else "A model that gives images back"
    return f"{what}, from {plural(seen, 'image')}; it needs no labels."


def reconstruction_headline(scores: Mapping[str, float | None]) -> str:
    """The result in one line."""
    if scores["mse"] is None:
        return "Images restored, and no test image to try it on"
    if scores["noise_left"] is None:
        return f"Mean squared error {compact(scores['mse'])}"
    return f"{percent(scores['noise_left'])} of the noise is left"


def reconstruction_explanation(scores: Mapping[str, float | None], noise: float, tested: int) -> str:
    """What the headline means; it says so when the images got worse."""
    if scores["mse"] is None:
        return f"The test split is empty. {NO_STUDENT}"
    images, before, after = plural(tested, "test image"), compact(scores["noisy_mse"]), compact(scores["mse"])
    left = scores["noise_left"]
    if left is None:
        return f"{images} came back with a mean squared error of {after}, pixels in 0..1. {NO_STUDENT}"
    given = f"Noise of spread {noise:g} was put on {images}, pixels in 0..1."
    if left < 1:
        return f"{given} The model lowered their mean squared error from {before} to {after}. {NO_STUDENT}"
    return f"{given} The model made it worse: their mean squared error rose from {before} to {after}. {NO_STUDENT}"


def clusterer(clusters: int, seen: int) -> str:
    """What was built, from so many examples."""
    return f"{plural(clusters, 'cluster')}, found in {plural(seen, 'example')} without a look at any label."


def clustering_headline(scores: Mapping[str, float | None]) -> str:
    """The result in one line."""
    found = plural(round(scores["clusters"] or 0), "cluster")
    return found if scores["purity"] is None else f"{found}, {percent(scores['purity'])} pure"


def clustering_explanation(scores: Mapping[str, float | None], tested: int, known: int) -> str:
    """What the headline means."""
    examples = plural(tested, "test example")
    if scores["purity"] is None:
        return (
            f"The class of none of the {examples} is known, so nothing says what the clusters stand for. {NO_STUDENT}"
        )
    return (
        f"Named by its commonest class, a cluster is right for {percent(scores['purity'])} of the {count(known)} test "
        f"examples whose class is known (its purity). Cluster and class share {percent(scores['nmi'])} of what they "
        f"tell (normalised mutual information). {NO_STUDENT}"
    )
