from __future__ import annotations

import numpy as np
import pytest
import torch

from gram_core.backbones import Backbone
from gram_core.datasets import TEST
from gram_core.evaluation import metrics
from gram_core.evaluation.metrics import accuracies, harmonic, harmonic_shares, standard_error
from gram_core.prompts import Params, build_method, repeat_params
from tests.evaluation.conftest import MakeSet


def noisy_contexts(backbone: Backbone, runs: int) -> Params:
    start = repeat_params(build_method("coop").initial(backbone), runs)
    generator = torch.Generator().manual_seed(0)
    return {
        key: value + 0.05 * torch.randn(value.shape, generator=generator)
        for key, value in start.items()
    }


def test_accuracies_are_those_of_a_plain_loop(tiny_backbone: Backbone, make_set: MakeSet) -> None:
    labelled, method = make_set(noise=0.15), build_method("coop")
    params = noisy_contexts(tiny_backbone, 2)
    constants = method.constants(tiny_backbone, labelled.classes, labelled.bank)
    features = labelled.bank.features
    assert features is not None

    found = accuracies(method, params, constants, labelled, ["ink", "oil"])

    for run, source in enumerate(("ink", "oil")):
        one = {key: value[run : run + 1] for key, value in params.items()}
        texts = method.class_features(one, constants)[0].detach()
        for side, classes in (("base", labelled.base), ("new", labelled.new)):
            right: dict[str, list[bool]] = {"all": [], "other": []}
            for row in labelled.rows(TEST, classes):
                scores = {label: float(features[row] @ texts[label]) for label in classes}
                hit = max(scores, key=lambda label: scores[label]) == labelled.labels[row]
                right["all"].append(hit)
                if labelled.domain_names[labelled.domains[row]] != source:
                    right["other"].append(hit)
            assert found[side][run] == pytest.approx(np.mean(right["all"]))
            assert found[f"other_{side}"][run] == pytest.approx(np.mean(right["other"]))
    assert 0.2 < found["base"].mean() < 1  # the comparison was of something


def test_the_size_of_the_parts_does_not_matter(
    tiny_backbone: Backbone, make_set: MakeSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled, method = make_set(noise=0.15), build_method("coop")
    params = noisy_contexts(tiny_backbone, 3)
    constants = method.constants(tiny_backbone, labelled.classes, labelled.bank)
    whole = accuracies(method, params, constants, labelled)

    monkeypatch.setattr(metrics, "IMAGES_AT_ONCE", 12)

    parts = accuracies(method, params, constants, labelled)
    assert all((whole[name] == parts[name]).all() for name in whole)


def test_without_parameters_all_runs_are_one_but_for_their_source(
    tiny_backbone: Backbone, make_set: MakeSet
) -> None:
    labelled, method = make_set(noise=0.2), build_method("zero-shot")
    constants = method.constants(tiny_backbone, labelled.classes, labelled.bank)

    found = accuracies(method, {}, constants, labelled, ["ink", "oil", "ink"])

    assert (found["base"] == found["base"][0]).all()
    assert found["base"].shape == found["other_base"].shape == (3,)
    assert found["other_base"][0] == found["other_base"][2] != found["other_base"][1]


def test_where_there_is_one_domain_nothing_is_said_of_others(
    tiny_backbone: Backbone, make_set: MakeSet
) -> None:
    labelled, method = make_set(), build_method("zero-shot")
    labelled.domains[:] = 0
    constants = method.constants(tiny_backbone, labelled.classes, labelled.bank)

    found = accuracies(method, {}, constants, labelled, ["ink"])

    assert np.isnan(found["other_base"]).all()
    assert not np.isnan(found["base"]).any()


def test_the_published_harmonic_mean() -> None:
    assert harmonic(80.34, 75.92) == pytest.approx(78.07, abs=0.005)
    assert harmonic(0.0, 0.0) == 0
    assert harmonic(np.array([50.0, 0.0]), np.array([50.0, 80.0])).tolist() == [50, 0]


def test_shares_of_h_average_to_h_and_vary_as_it_does() -> None:
    generator = np.random.default_rng(0)
    base = 60 + generator.normal(size=(4000, 50))
    new = 40 + 3 * generator.normal(size=(4000, 50))

    shares = harmonic_shares(base[0], new[0])
    repeated = harmonic(base.mean(1), new.mean(1))

    assert shares.mean() == pytest.approx(harmonic(base[0].mean(), new[0].mean()))
    errors = [standard_error(harmonic_shares(*pair)) for pair in zip(base, new, strict=True)]
    assert np.mean(errors) == pytest.approx(repeated.std(), rel=0.05)


def test_standard_error_of_draws_and_of_meta_seeds() -> None:
    draws = np.array([1.0, 3.0, 5.0])
    assert standard_error(draws) == pytest.approx(2 / np.sqrt(3))

    table = np.array([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])  # seeds differ by 1, draws by 2
    assert standard_error(table) == pytest.approx(np.sqrt(4 / 3 + 0.5 / 2))

    assert np.isnan(standard_error(np.array([1.0])))
