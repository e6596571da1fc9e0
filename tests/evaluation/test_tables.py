from __future__ import annotations

import numpy as np
import pytest

from gram_core.evaluation.protocols import Outcome
from gram_core.evaluation.tables import ALL_SETS, differences, markdown, table


def outcome(contender: str, data: str, base: float, new: float, seeds: int = 1) -> Outcome:
    """Accuracies over 2 draws × 2 sources, around base and new (in percent) by ±1 per draw."""
    scatter = np.array([[-1.0, -1.0, 1.0, 1.0]]).repeat(seeds, axis=0)
    scatter += np.linspace(-0.5, 0.5, seeds)[:, None] if seeds > 1 else 0
    cells = {
        "base": (base + scatter) / 100,
        "new": (new + scatter) / 100,
        "other_base": (base + scatter - 2) / 100,
        "other_new": np.full_like(scatter, np.nan),
    }
    runs = ((0, "ink"), (0, "oil"), (1, "ink"), (1, "oil"))
    return Outcome(contender, data, runs, {10: cells}, 1.0, 0.1)


def test_a_table_has_means_and_the_h_of_means() -> None:
    (record,) = table([outcome("coop", "kind", 80.34, 75.92)])

    assert record["base"] == pytest.approx(80.34)
    assert record["h"] == pytest.approx(78.07, abs=0.005)
    assert record["other_base"] == pytest.approx(78.34)
    assert np.isnan(record["other_h"])
    assert record["base_error"] == pytest.approx(np.std([-1, -1, 1, 1], ddof=1) / 2)


def test_several_sets_are_averaged_before_h_is_taken() -> None:
    records = table([outcome("coop", "kind", 90, 30), outcome("coop", "colour", 50, 70)])

    average = records[-1]
    assert average["data"] == ALL_SETS
    assert (average["base"], average["new"]) == (pytest.approx(70), pytest.approx(50))
    assert average["h"] == pytest.approx(2 * 70 * 50 / 120)


def test_who_was_not_on_all_sets_is_left_out_of_their_average() -> None:
    outcomes = [
        outcome("coop", "kind", 90, 30),
        outcome("coop", "colour", 50, 70),
        outcome("vpt", "kind", 95, 35),
    ]

    average = [row["contender"] for row in table(outcomes) if row["data"] == ALL_SETS]
    gains = [record["data"] for record in differences(outcomes, "vpt", ["coop", "unknown"])]

    assert average == ["coop"]
    assert gains == ["kind"]


def test_differences_are_paired() -> None:
    outcomes = [outcome("gram", "kind", 62, 55, seeds=3), outcome("coop", "kind", 60, 50)]

    (record,) = differences(outcomes, "gram", ["coop"])

    assert record["base"] == pytest.approx(2)
    assert record["new"] == pytest.approx(5)
    # What the draws share is gone; what is left is the spread of the three meta-seeds.
    assert record["base_error"] == pytest.approx(0.5 / np.sqrt(3))
    h = [row["h"] for row in table(outcomes)]
    assert record["h"] == pytest.approx(h[0] - h[1])


def test_markdown_shows_each_set_with_errors_and_dashes_for_what_is_not_known() -> None:
    outcomes = [outcome("gram", "kind", 62, 55), outcome("coop", "kind", 60, 50)]

    plain = markdown(table(outcomes))
    gains = markdown(differences(outcomes, "gram", ["coop"]), signed=True)

    assert plain.splitlines()[0] == "### kind"
    assert "| gram | 62.0 ± 0.6 | 55.0 ± 0.6 |" in plain
    assert plain.count("–") == 4
    assert "| over coop | +2.0 ± 0.0 | +5.0 ± 0.0 |" in gains
