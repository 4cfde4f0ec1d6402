"""The benchmark: ways that agree on small inputs, checks that notice, counts by hand, and results put together."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import gpu  # noqa: E402
import growth  # noqa: E402
import inputs  # noqa: E402
import operations  # noqa: E402
import passes  # noqa: E402
import peers  # noqa: E402
import perturbing  # noqa: E402
import precision  # noqa: E402
import results  # noqa: E402
import rows  # noqa: E402
import run  # noqa: E402
import timing  # noqa: E402
import training_times  # noqa: E402
import tuning  # noqa: E402
import whole_study  # noqa: E402

from rrr_utils.networks import network as networks  # noqa: E402

SMALL = {"name": "convnet", "size": 64}
# 224 px, because the package lime cuts superpixels at the image's own size and ours at 224.
SHALLOW = {"name": "convnet", "samples": 150}

WAYS = {
    "forward": lambda: passes.forward(**SMALL, number=5),
    "cams": lambda: passes.cams(**SMALL, number=2),
    "augmented": lambda: training_times.sharing("convnet", 64, trained=8, evaluated=4, epochs=2, seeds=2, batch=4),
    "tuning": lambda: tuning.tuning("convnet", "dense", 64, trained=8, evaluated=4, epochs=2, batch=4),
    "lime, function": lambda: perturbing.lime_function(**SHALLOW),
    "sharing, dense": lambda: perturbing.sharing(**SMALL, samples=20, patch=16, checkpoints=3),
    "sharing, blocks4-5": lambda: perturbing.sharing(
        "mobilenet", 64, "blocks4-5", samples=20, occlude=False, checkpoints=2, alpha=0.25
    ),
    "the authors": lambda: perturbing.as_the_authors(**SHALLOW, timed=1, checkpoints=2),
    "occlusion": lambda: perturbing.occlusion("vgg16", 96, patch=32, stride=32),
    "study": lambda: whole_study.study(64, number=16, scored=2, samples=20, epochs=2, strategies=("dense",)),
}


def broken(result):
    """Return a result of the same shape that is no longer that of the other way."""
    if isinstance(result, np.ndarray):
        return result[..., ::-1] * 0.9
    if hasattr(result, "assign"):
        return result.assign(score=result["score"] * 0.8)
    return [broken(each) if isinstance(each, np.ndarray) else 1.1 * each for each in result]


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_the_two_ways_agree_and_a_broken_one_is_noticed(name):
    """The check passes on what the two ways return, and fails when either is changed."""
    compared = WAYS[name]()
    try:
        quick, plain = (timing.seconds(way).result for way in (compared.quick, compared.plain))
        compared.check(quick, plain)
        with pytest.raises(AssertionError):
            compared.check(broken(quick), plain)
        json.dumps(compared.facts())
    finally:
        compared.close()


def test_the_times_of_remedies_are_ratios_to_plain():
    """A line a remedy, the first of them plain with a ratio of 1; an ensemble's members count."""
    names = ["plain", "right-reasons", "ensemble"]
    lines = training_times.remedies([{"name": "convnet", "size": 32}], names, number=8, epochs=2)
    assert [line["remedy"] for line in lines] == names
    assert lines[0]["times"] == 1
    assert all(line["seconds"] > 0 for line in lines)
    assert lines[2]["times"] > 1.5


def test_multiply_adds_by_hand():
    """8 x 8 x 3 through 4 filters of 3 x 3: 8*8*4*27 = 6912; depthwise 8*8*4*9 = 2304; 4*4*4 values to 10: 640."""
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(images)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D()(keras.layers.BatchNormalization()(x)))
    model = keras.Model(images, keras.layers.Dense(10)(x))
    assert operations.multiply_adds(model) == 6912 + 2304 + 640
    # Stride 2: a quarter of the positions.
    assert operations.multiply_adds(keras.Model(images, keras.layers.Conv2D(4, 3, 2, "same")(images))) == 6912 // 4


def test_multiply_adds_of_vgg16_and_of_its_parts():
    """VGG16's convolutions take 15.35 thousand million; prefix and suffix make up the whole, wherever it is cut."""
    network = networks.build("vgg16", classes=2, size=32, weights=None)
    # All convolutions are in proportion to the pixels: 49 times as many at 224 px.
    whole = operations.multiply_adds(network.model)
    head = 512 * 256 + 256 * 2
    assert (whole - head) * 49 == pytest.approx(15.35e9, rel=1e-3)
    for block in ("conv3", "dense"):
        assert sum(operations.multiply_adds(part) for part in network.split(block)) == whole


def test_a_layer_of_unknown_cost_is_refused():
    """A layer with weights that is not known is not taken for free."""
    series = keras.Input((8, 3))
    with pytest.raises(TypeError, match="Conv1D"):
        operations.multiply_adds(keras.Model(series, keras.layers.Conv1D(4, 3)(series)))


def test_limits_by_hand():
    """11 x (9 + 1) against 9 + 11 x 1; 3 images trained for 2 epochs, 1 evaluated, parts of 2 and 1: 39 against 29."""
    assert operations.sharing_limit(9, 1, 11) == 110 / 20
    assert operations.tuning_limit(2, 1, trained=3, evaluated=1, epochs=2) == 39 / 29
    # Both stages of two seeds: heads 4 * (18 + 3); blocks 4 * 2 * (6 + 3) plainly, and 2 * (12 + 1) once.
    assert operations.seeds_limit(2, 1, trained=3, evaluated=1, epochs=2, seeds=2) == 156 / 110


def fake(times, **options):
    """Return a row of two ways that say how long they took, and the list of what was called."""
    called = []

    def way(name):
        def go():
            called.append(name)
            return timing.Timed(times[name].pop(0), name)

        return go

    compared = timing.Comparison(way("quick"), way("plain"), lambda a, b: None, close=lambda: called.append("close"))
    return timing.Row("a", "b", 2.0, lambda: compared, **options), called


def test_ways_take_turns_and_the_first_run_is_recorded_apart():
    """Medians are 2 and 8 of three runs each; the 9 and 90 of the first runs stand beside them."""
    row, called = fake({"quick": [9.0, 1.0, 2.0, 3.0], "plain": [90.0, 7.0, 8.0, 30.0]}, repeats=3)
    found = timing.measure(row)
    assert called == ["quick", "plain"] * 4 + ["close"]
    assert (found["median_s"], found["against_median_s"], found["ratio"], found["n"]) == (2.0, 8.0, 4.0, 3)
    assert (found["first_s"], found["against_first_s"], found["first_counts"]) == (9.0, 90.0, False)


def test_without_a_warm_up_the_first_run_counts_and_says_so():
    """A way that takes minutes runs once, and that is its median."""
    row, called = fake({"quick": [9.0], "plain": [90.0]}, repeats=1, warm=False)
    found = timing.measure(row)
    assert called == ["quick", "plain", "close"]
    assert (found["ratio"], found["n"], found["first_counts"]) == (10.0, 1, True)


def test_a_way_is_timed_from_outside_unless_it_timed_itself():
    """A plain result gets the seconds that passed."""
    found = timing.seconds(lambda: "result")
    assert found.result == "result"
    assert 0 <= found.seconds < 60
    assert timing.seconds(lambda: timing.Timed(5.0, "other")).seconds == 5.0


def test_ways_that_disagree_are_no_row():
    """The message names the row, and what was opened is closed."""
    closed = []

    def check(quick, plain):
        raise AssertionError("1 is not 2")

    row = timing.Row("a", "b", 2.0, lambda: timing.Comparison(int, int, check, close=lambda: closed.append(True)))
    with pytest.raises(AssertionError, match=r"a against b: the two ways disagree\. 1 is not 2"):
        timing.measure(row)
    assert closed == [True]


MACHINE = {"processor": "p", "cores": 2}


def line(what, ratio):
    return {"what": what, "against": "x", "ratio": ratio}


def test_pieces_are_put_together(tmp_path):
    """A row takes the place of the one with its name; others stay; the order is that of the list; the gone are gone."""
    path = tmp_path / "latest.json"
    found = results.read(path, MACHINE, whole=False)
    for row in (line("third", 3.0), line("old", 1.0), line("first", 1.0)):
        assert results.put_row(found, row)
    found["measures"]["memory"] = {"lines": [1]}
    results.write(path, results.ordered(found, [("first", "x"), ("old", "x"), ("third", "x")], ["memory"]))
    again = results.read(path, MACHINE, whole=False)
    assert [row["what"] for row in again["rows"]] == ["first", "old", "third"]
    results.put_row(again, line("first", 2.0))
    kept = results.ordered(again, [("first", "x"), ("third", "x")], [])
    assert [(row["what"], row["ratio"]) for row in kept["rows"]] == [("first", 2.0), ("third", 3.0)]
    assert kept["measures"] == {}


def test_a_row_that_was_not_run_does_not_displace_one_that_was():
    """But it stands with its reason where there was none."""
    found = {"machine": MACHINE, "rows": [line("a", 2.0)], "measures": {}}
    assert not results.put_row(found, line("a", None))
    assert results.put_row(found, line("b", None))
    assert [row["ratio"] for row in found["rows"]] == [2.0, None]


def test_a_row_of_another_machine_names_it(tmp_path):
    """A single row stands beside the others with its own machine; a whole run begins anew."""
    path = tmp_path / "latest.json"
    results.write(path, {"machine": MACHINE, "rows": [line("a", 2.0)], "measures": {}})
    other = {**MACHINE, "cores": 64}
    found = results.read(path, other, whole=False)
    assert results.elsewhere(found, other) == {"machine": other}
    assert results.elsewhere(found, MACHINE) == {}
    assert found["rows"] == [line("a", 2.0)]
    assert results.read(path, other, whole=True) == {"machine": other, "rows": [], "measures": {}}


def test_the_list_has_no_name_twice_and_the_published_results_are_of_it():
    """Every published row is one of the list, so that it can be run again by its name."""
    names = [(row.what, row.against) for row in rows.rows()]
    assert len(set(names)) == len(names)
    tables = [each.name for each in rows.measures()]
    found = json.loads((ROOT / "benchmarks" / "results" / "latest.json").read_text(encoding="utf-8"))
    assert {(row["what"], row["against"]) for row in found["rows"]} <= set(names)
    assert set(found["measures"]) <= set(tables)
    for each in [*found["rows"], *found["measures"].values()]:
        assert each["load"] >= 0
        assert each["matrix_product_gflops"] > 0


def test_the_passes_on_a_gpu_are_measured_on_jax_and_published():
    """Under another backend nothing is measured; what is published is quicker in the GPU's own precision, and near."""
    with pytest.raises(ValueError, match="KERAS_BACKEND=jax"):
        gpu.measure(size=32, batch=2, repeats=1)
    found = json.loads((ROOT / "benchmarks" / "results" / "gpu.json").read_text(encoding="utf-8"))
    assert found["passes"] > found["passes_float32"] > 0
    assert 0 < found["drift"] < 0.01 * found["largest_logit"]
    assert (found["network"], found["size"]) == ("vgg16", 224)


def test_a_run_writes_what_it_measured_skips_aloud_and_fails_for_what_disagrees(tmp_path, monkeypatch, capsys):
    """Four rows: measured, rival missing, disagreeing, not asked for; and a table."""

    def missing():
        raise timing.NotInstalled("the rival is not here")

    def wrong(quick, plain):
        raise AssertionError("they differ")

    listed = [
        fake({"quick": [1.0] * 9, "plain": [3.0] * 9})[0],
        timing.Row("asked", "missing", 2.0, missing),
        timing.Row("asked", "wrong", 2.0, lambda: timing.Comparison(int, int, wrong)),
        timing.Row("left out", "x", 2.0, missing),
    ]
    monkeypatch.setattr(rows, "rows", lambda: listed)
    monkeypatch.setattr(rows, "measures", lambda: [rows.Measure("asked table", lambda: [{"value": 1}])])
    monkeypatch.setattr(timing, "conditions", lambda threads: {"load": 0.5, "matrix_product_gflops": 100.0})
    monkeypatch.setattr(run.engine, "start", lambda threads: threads)
    monkeypatch.setattr(run, "_forget", lambda: None)
    monkeypatch.setattr(run, "HERE", tmp_path / "benchmarks")
    assert run.main(["--only", "a against b", "--only", "asked"]) == 1
    shown = capsys.readouterr()
    assert "NOT RUN asked against missing: the rival is not here" in shown.out
    assert "FAILED asked against wrong" in shown.err
    found = json.loads((tmp_path / "benchmarks" / "results" / "latest.json").read_text(encoding="utf-8"))
    assert [(row["what"], row["ratio"], row.get("not_run")) for row in found["rows"]] == [
        ("a", 3.0, None),
        ("asked", None, "the rival is not here"),
    ]
    assert found["rows"][0]["load"] == 0.5
    assert found["measures"]["asked table"]["lines"] == [{"value": 1}]
    assert run.main(["--only", "nothing like it"]) == 1
    assert "No name of a row" in capsys.readouterr().err


RIVAL = """
import numpy as np
print("a word that is no answer")
class RelevanceMassAccuracy:
    def __init__(self, **options): pass
    def __call__(self, model, x_batch, y_batch, a_batch, s_batch, batch_size):
        return (a_batch * s_batch).sum((1, 2, 3)) / a_batch.sum((1, 2, 3))
"""


def test_a_rival_in_a_process_of_its_own(tmp_path, monkeypatch):
    """It gets the same arrays, times itself, and its answer is compared; what it prints besides does no harm."""
    (tmp_path / "quantus.py").write_text(RIVAL, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(peers, "PYTHON", Path(sys.executable))
    compared = peers.score(6, 3, size=32)
    try:
        theirs = compared.plain()
        assert theirs.seconds > 0
        compared.check(compared.quick(), theirs.result)
        with pytest.raises(AssertionError):
            compared.check(compared.quick() * 1.01, theirs.result)
    finally:
        compared.close()


def test_a_rival_that_is_not_there_says_so(tmp_path, monkeypatch):
    """Without its environment the remedy is named; one that does not start is quoted."""
    monkeypatch.setattr(peers, "PYTHON", tmp_path / "python")
    with pytest.raises(timing.NotInstalled, match="make bench-peers"):
        peers.score(4, 2, size=32)
    (tmp_path / "quantus.py").write_text("raise ImportError('no such thing')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(peers, "PYTHON", Path(sys.executable))
    with pytest.raises(timing.NotInstalled, match="no such thing"):
        peers.score(4, 2, size=32)


def test_peak_memory_is_that_of_the_child_alone():
    """A process started from one of half a gigabyte has its own peak, not that of the one that it was forked from."""
    held = np.ones(64 * 1024**2)
    code = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, 7)"
    peak, seven = growth.peak_of(["-c", code])
    assert peak < held.nbytes / 4
    assert seven == 7


@pytest.mark.slow
def test_the_other_tables_have_their_lines(monkeypatch):
    """Growth, memory and precision on a network of three convolutions."""
    timed = growth.seconds(**SMALL, repeats=1, grid={"images": (1, 2)})
    assert [(row["varied"], row["value"]) for row in timed] == [("images", 1), ("images", 2)]
    assert all(row["seconds"] > 0 for row in timed)
    (held,) = growth.memory(**SMALL, grid={"samples": (8,)}, full=False)
    assert 1e8 < held["peak_bytes"] < 4e9
    (drift,) = precision.bfloat16({"small": {"name": "convnet"}}, size=64, number=4, samples=20)
    assert 0 <= drift["logit_rms"] <= drift["logit_largest"] < 0.1 * max(1, drift["logit_deviation"] * 100)
    assert drift["bfloat16_images_s"] > 0


def test_checkpoints_differ_where_the_strategy_trains_and_nowhere_else():
    """What is frozen is the same array, held once."""
    network = inputs.network(**SMALL)
    first, second = inputs.states(network, "dense", 2)
    for key in first:
        assert (first[key] is second[key]) == (key not in ("dense_1/kernel", "logits/kernel")), key
