import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cabletag.evaluation.estimators import (
    ErrorRates,
    Stratum,
    effective_sizes,
    joint_effect,
    post_stratified,
    rogan_gladen,
    wilson,
)


def rates(found, positives, passed, negatives):
    return ErrorRates(found, positives, passed, negatives, positives, negatives)


def test_rogan_gladen_undoes_known_errors():
    # of 1,000 with and 9,000 without the label the model tags 800 and 450
    found = rogan_gladen(1250, 10_000, rates(800, 1000, 8550, 9000))
    assert found.share == pytest.approx(0.1)
    assert found.low < 0.1 < found.high


def test_lang_reiczigel_interval_by_hand():
    # z = 1.96: n' = 103.84, AP' = 31.92/103.84, Se' = 46/52, Sp' = 91/102
    ap, se, sp, z = 31.9207 / 103.8415, 46 / 52, 91 / 102, 1.959964
    share = (ap + sp - 1) / (se + sp - 1)
    shift = 2 * z**2 * (share * se * (1 - se) / 52 - (1 - share) * sp * (1 - sp) / 102)
    variance = ap * (1 - ap) / 103.8415 + share**2 * se * (1 - se) / 52 + (1 - share) ** 2 * sp * (1 - sp) / 102
    half = z * math.sqrt(variance) / (se + sp - 1)
    found = rogan_gladen(30, 100, rates(45, 50, 90, 100))
    assert (found.low, found.high) == pytest.approx((share + shift - half, share + shift + half), abs=1e-5)


def test_fewer_coded_passages_give_a_wider_interval():
    wide, narrow = (
        rogan_gladen(120, 1000, rates(40, 50, 190, 200)),
        rogan_gladen(120, 1000, rates(800, 1000, 3800, 4000)),
    )
    assert wide.share == pytest.approx(narrow.share)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_error_rates_that_cannot_hold_are_told():
    found = rogan_gladen(10, 100_000, rates(80, 100, 900, 1000))
    assert math.isnan(found.share)
    assert "fewer are tagged than the coded set's error rates allow" in found.problem


@pytest.mark.parametrize(
    ("counts", "message"),
    [((0, 0, 9, 10), "no units coded with it"), ((5, 10, 0, 0), "without"), ((1, 10, 5, 10), "chance")],
)
def test_coded_sets_that_tell_nothing_give_no_share(counts, message):
    assert message in rogan_gladen(5, 100, rates(*counts)).problem


@given(st.integers(0, 500), st.integers(1, 60), st.integers(1, 60), st.data())
def test_rogan_gladen_stays_within_nought_and_one(tagged, positives, negatives, data):
    found = rogan_gladen(
        tagged,
        500,
        rates(data.draw(st.integers(0, positives)), positives, data.draw(st.integers(0, negatives)), negatives),
    )
    assert found.problem or 0 <= found.low <= found.share <= found.high <= 1


def test_post_stratified_weighs_the_strata():
    found = post_stratified([Stratum(100, 20, 15, 20), Stratum(900, 80, 4, 80)])
    assert found.share == pytest.approx(0.1 * 0.75 + 0.9 * 0.05)
    assert found.low < found.share < found.high


def test_post_stratified_is_ppi_with_the_best_tuning():
    random = np.random.default_rng(0)
    given_all = random.random(5000) < 0.2
    rows = random.choice(5000, 300, replace=False)
    said = given_all[rows]
    gold = random.random(300) < np.where(said, 0.7, 0.1)
    tuning = np.cov(gold, said, ddof=0)[0, 1] / said.var()
    ppi = gold.mean() + tuning * (given_all.mean() - said.mean())
    strata = [
        Stratum(
            int((given_all == side).sum()),
            int((said == side).sum()),
            int(gold[said == side].sum()),
            (said == side).sum(),
        )
        for side in (True, False)
    ]
    assert post_stratified(strata).share == pytest.approx(ppi)


def test_whole_population_coded_leaves_no_error():
    found = post_stratified([Stratum(10, 10, 7, 10), Stratum(90, 90, 3, 90)])
    assert (found.low, found.share, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_stratum_never_coded_widens_the_interval():
    some, none = (post_stratified([Stratum(200, coded, 0, coded), Stratum(800, 100, 0, 100)]) for coded in (20, 0))
    assert none.high > some.high
    assert none.high >= 0.2


def test_nothing_coded_gives_no_share():
    assert post_stratified([Stratum(10, 0, 0, 0), Stratum(90, 0, 0, 0)]).problem == "no units coded"


def test_wilson_interval_of_a_textbook_case():
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0.0, 100) == pytest.approx((0.0, 0.0370), abs=1e-4)


def test_units_each_of_its_own_document_keep_their_size():
    hits = np.array([[1, 0], [0, 0], [1, 1], [0, 0]])
    assert effective_sizes(hits, np.ones_like(hits)) == pytest.approx([4, 4])


def test_documents_all_alike_are_worth_about_one_unit_each():
    hits = np.repeat(np.arange(200) % 2, 1)[:, None] * 10
    assert effective_sizes(hits, np.full_like(hits, 10))[0] == pytest.approx(200, rel=0.02)


def test_label_that_never_varies_takes_the_median_effect():
    alike = np.repeat(np.arange(200) % 2, 1) * 10
    hits = np.column_stack([alike, np.zeros(200, dtype=int)])
    assert effective_sizes(hits, np.full_like(hits, 10))[1] == pytest.approx(200, rel=0.02)


def test_joint_effect_of_independent_units_is_about_one():
    random = np.random.default_rng(1)
    said = random.random((400, 10)) < 0.3
    gold = random.random((400, 10)) < 0.5
    sides = np.stack([said, ~said])
    effect = joint_effect(
        (sides & gold).sum(axis=2)[:, :, None], sides.sum(axis=2)[:, :, None], sides.mean(axis=(1, 2))[:, None]
    )
    assert effect[0] == pytest.approx(1, abs=0.15)


def test_corrected_intervals_cover_and_naive_ones_do_not():
    """A small run of what benchmarks/prevalence.py does over many settings."""
    random = np.random.default_rng(2)
    held = {"naive": 0, "rogan_gladen": 0}
    for _ in range(300):
        carrying = random.binomial(5000, 0.1)
        tagged = random.binomial(carrying, 0.7) + random.binomial(5000 - carrying, 0.02)
        estimate = rogan_gladen(
            int(tagged), 5000, rates(random.binomial(150, 0.7), 150, random.binomial(850, 0.98), 850)
        )
        low, high = wilson(tagged / 5000, 5000)
        held["rogan_gladen"] += estimate.low <= carrying / 5000 <= estimate.high
        held["naive"] += low <= carrying / 5000 <= high
    assert held["rogan_gladen"] / 300 > 0.92
    assert held["naive"] / 300 < 0.7
