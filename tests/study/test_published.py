"""Published runs count as done, seed by seed, without their checkpoints; what starts from these is made again."""

import json
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import tiny_study

from rrr_utils.common import files, paths
from rrr_utils.study import agenda, job_state, jobs, published, stamps
from rrr_utils.study import study_file as study
from rrr_utils.tables import parquet as tables
from rrr_utils.tables import results, schemas

HEAD, DENSE = "first/small/head/masked", "first/small/dense/masked"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the study file of a project whose jobs are done and recorded, and whose runs are gone."""
    monkeypatch.setenv("RRR_ROOT", str(tmp_path))
    monkeypatch.delenv("RRR_RUNS", raising=False)
    path = tiny_study.project(tmp_path)
    every = _finish(path)
    for job in every:
        if job.kind != "figures":
            published.record(job, paths.runs() / "tiny", paths.results("tiny"))
    shutil.rmtree(paths.runs())
    return path


def _finish(path: Path) -> tuple[jobs.Job, ...]:
    """Leave outputs and stamps of all jobs, as if they had run."""
    every, folder = jobs.of(study.load(path)), paths.runs() / "tiny"
    for job in every:
        for name in job.outputs:
            place = folder / job.folder / name
            files.write_text(place if place.suffix else place / "file.txt", f"{job.name} {name}")
        files.write_text(folder / f"{job.name}.ipynb", job.name)
        made_of = job_state.provenance(job, folder)
        stamps.write(folder / job.stamp, folder / f"{job.name}.ipynb", made_of, job.outputs)
    return every


def _states(path: Path) -> dict[str, str]:
    return {item.job.name: item.state for item in agenda.of(study.load(path))}


def _left(path: Path) -> dict[str, agenda.Item]:
    return {item.job.name: item for item in agenda.of(study.load(path)) if item.state == agenda.LEFT}


def test_published_runs_count_as_done_without_their_checkpoints(project: Path) -> None:
    """Only the figures are left, and they take all rows from the published tables."""
    left = _left(project)
    assert list(left) == ["04-figures"]
    assert left["04-figures"].job.parameters["published"] == {DENSE: [0, 1]}
    states = _states(project)
    assert {state for name, state in states.items() if name != "04-figures"} == {agenda.PUBLISHED}
    _finish(project)
    assert set(_states(project).values()) == {agenda.DONE}


def test_what_published_runs_read_is_kept_in_the_clear(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash of the weights that networks start from can be shown, once for all seeds that read the same file."""
    project.write_text(project.read_text().replace("size: 64", "size: 64\n    weights: start.h5"))
    monkeypatch.setenv("RRR_DATA_DIR", str(project.parent))
    (project.parent / "start.h5").write_bytes(b"numbers")
    every = _finish(project)
    for job in every:
        published.record(job, paths.runs() / "tiny", paths.results("tiny"))
    found = published.read_from_disk(every, paths.results("tiny"))
    digest = "f3c7807d475073ba009bf4801b2d934e9f0126cb96dd19a27dbffcae23a7f5a3"
    assert {row["job"] for row in found} == {
        f"{run}/{book}" for run in (HEAD, DENSE) for book in ("02-fine-tuning", "03-scoring")
    }
    assert {(row["read"], row["sha256"]) for row in found} == {("weights", digest)}
    assert len(found) == 4


def test_a_further_seed_is_made_alone(project: Path) -> None:
    """Of a study with one more seed that seed is trained and scored, from masks and a stage 1 of its own."""
    project.write_text(project.read_text().replace("seeds: [0, 1]", "seeds: [0, 1, 2]"))
    left = _left(project)
    assert {name: item.job.parameters.get("seeds") for name, item in left.items()} == {
        "first/01-masking": None,
        f"{HEAD}/02-fine-tuning": [2],
        f"{HEAD}/03-scoring": [2],
        f"{DENSE}/02-fine-tuning": [2],
        f"{DENSE}/03-scoring": [2],
        "04-figures": None,
    }
    assert left[f"{DENSE}/02-fine-tuning"].job.outputs == ("run.json", "history.parquet", "seed-2/training")
    assert left["04-figures"].job.parameters["published"] == {DENSE: [0, 1]}


def test_what_starts_from_checkpoints_has_them_made_again(project: Path) -> None:
    """Scores that are not published need the training behind them; those of stage 1 are read as a table."""
    (paths.results("tiny") / "stamps" / f"{DENSE}/03-scoring.json".replace("/", "--")).unlink()
    assert set(_left(project)) == {
        "first/01-masking",
        f"{HEAD}/02-fine-tuning",
        f"{DENSE}/02-fine-tuning",
        f"{DENSE}/03-scoring",
        "04-figures",
    }
    assert _states(project)[f"{HEAD}/03-scoring"] == agenda.PUBLISHED


def test_another_parameter_is_another_run_and_other_code_is_not(project: Path) -> None:
    """Published rows were made by the code of their commit; what they were asked for decides whether they count."""
    record = paths.results("tiny") / "stamps" / f"{DENSE}/02-fine-tuning.json".replace("/", "--")
    found = json.loads(record.read_text())
    record.write_text(json.dumps({unit: made_of | {"code": "other"} for unit, made_of in found.items()}))
    assert set(_left(project)) == {"04-figures"}
    project.write_text(project.read_text().replace("tuning: {epochs: 2}", "tuning: {epochs: 2, rate: 1.0e-4}"))
    assert f"{DENSE}/02-fine-tuning" in _left(project)
    assert f"{HEAD}/03-scoring" not in _left(project)


@pytest.mark.parametrize("content", ["", "[]", '{"0": 3}', '{"0": {}}', '{"0": {"parameters": 1}}'])
def test_a_torn_record_counts_as_none(project: Path, content: str) -> None:
    """A run whose record is cut off or is something else is made again; nothing fails."""
    record = paths.results("tiny") / "stamps" / f"{DENSE}/03-scoring.json".replace("/", "--")
    record.write_text(content)
    assert f"{DENSE}/03-scoring" in _left(project)


def test_seeds_are_recorded_beside_each_other(project: Path) -> None:
    """A run that was made for a further seed adds that seed to the record."""
    project.write_text(project.read_text().replace("seeds: [0, 1]", "seeds: [1, 2]"))
    every = _finish(project)
    job = jobs.find(every, f"{DENSE}/03-scoring")
    published.record(job, paths.runs() / "tiny", paths.results("tiny"))
    assert set(published.published(job, paths.results("tiny"))) == {"1", "2"}
    record = paths.results("tiny") / "stamps" / f"{DENSE}/03-scoring.json".replace("/", "--")
    assert list(json.loads(record.read_text())) == ["0", "1", "2"]
    assert str(paths.root()) not in record.read_text()


@pytest.mark.slow
def test_what_is_published_is_not_made_again(tmp_path: Path) -> None:
    """On a machine without its runs a study draws its figures and trains nothing; a further seed is made alone."""
    path = tiny_study.project(tmp_path)
    assert tiny_study.launch(tmp_path, "run", str(path)).returncode == 0
    assert tiny_study.launch(tmp_path, "publish", str(path)).returncode == 0
    assert {record.name for record in (tmp_path / "data/results/tiny/stamps").iterdir()} >= {
        "first--01-masking.json",
        "first--small--dense--masked--03-scoring.json",
    }
    shutil.rmtree(tmp_path / "runs")
    told = tiny_study.launch(tmp_path, "run", str(path))
    assert "5 of 6 jobs are done; 5 of them are published, and are not made again" in told.stdout, told.stderr
    computed = (tmp_path / "runs/computed.txt").read_text()
    assert computed.split() == ["04-figures"]
    path.write_text(path.read_text().replace("seeds: [0, 1]", "seeds: [0, 1, 2]"))
    # What a run reads of stage 1's scores is no table in this study.
    (tmp_path / "data/results/tiny/stamps/first--small--head--masked--03-scoring.json").unlink()
    told = tiny_study.launch(tmp_path, "run", str(path))
    assert told.returncode == 0, told.stderr
    made = (tmp_path / "runs/computed.txt").read_text().split()
    assert not [line for line in made if "/dense/" in line and "seed-2" not in line]
    assert [line for line in made if "/dense/" in line]


def test_published_rows_stand_where_a_run_has_none(tmp_path: Path) -> None:
    """Read together, a run of which one seed is here and one is published has the rows of one that was made whole."""
    run = {"study": "s", "data": "d", "network": "n", "strategy": "all", "trained_on": "original"}
    losses = {"split": "test", "loss": 0.5, "accuracy": 0.5}
    whole = pd.DataFrame([{**run, "seed": seed, "epoch": epoch, **losses} for seed in (0, 1, 2) for epoch in (0, 1)])
    answers = {"epoch": 0, "background": "mean", "n": 2, "correct": 1, "accuracy": 0.5}
    shift = pd.DataFrame([{**run, "seed": seed, **answers} for seed in (0, 1, 2)])
    others = ("scores", "answers", "masks")
    empty = {name: pd.DataFrame({column: [] for column in schemas.SCHEMAS[name].names}) for name in others}
    for place, seeds in ((tmp_path / "runs/d/n/all/original", [1]), (tmp_path / "results", [0, 1, 2])):
        tables.write(whole[whole["seed"].isin(seeds)], place / "history.parquet", "history")
        tables.write(shift[shift["seed"].isin(seeds)], place / "shift.parquet", "shift")
        for name in ("scores", "answers"):
            tables.write(empty[name].astype({"seed": int}), place / f"{name}.parquet", name)
    tables.write(empty["masks"], tmp_path / "results/masks.parquet", "masks")
    found = results.read(tmp_path / "runs", ["d/n/all/original"], {"d/n/all/original": [0, 2]}, tmp_path / "results")
    pd.testing.assert_frame_equal(found.history, whole[schemas.SCHEMAS["history"].names])
    assert list(found.shift["seed"]) == [0, 1, 2]
    with pytest.raises(FileNotFoundError, match="There is no table"):
        results.read(tmp_path / "elsewhere", ["d/n/all/original"])


def test_a_part_has_its_seeds_and_what_it_needs(project: Path) -> None:
    """Of one seed and one strategy: masks, its stage 1 and its scores, no figures; an impossible part is refused."""
    shutil.rmtree(paths.results("tiny") / "stamps")
    whole = study.load(project)
    found = {item.job.name: item.job for item in agenda.of(whole, agenda.Part(only=("dense/masked/03",), seeds=(1,)))}
    assert list(found) == [
        "first/01-masking",
        f"{HEAD}/02-fine-tuning",
        f"{HEAD}/03-scoring",
        f"{DENSE}/02-fine-tuning",
        f"{DENSE}/03-scoring",
    ]
    assert {job.parameters.get("seeds", [1])[0] for job in found.values()} == {1}
    assert "seed-0/training" not in found[f"{DENSE}/02-fine-tuning"].outputs
    both = {job.name: job.cost for job in jobs.of(whole)}
    assert found[f"{DENSE}/03-scoring"].cost.passes * 2 == both[f"{DENSE}/03-scoring"].passes
    assert agenda.Part(only=("head/masked/02",)).of(jobs.of(whole)) == jobs.of(whole)[:2]
    for part in (agenda.Part(only=("nothing",)), agenda.Part(only=("03-scoring",), seeds=(7,))):
        with pytest.raises(ValueError, match=r"No job has .* in its name"):
            agenda.of(whole, part)


def test_the_processes_of_a_part_make_no_more_than_it_asks(project: Path) -> None:
    """What the launcher leaves for them names every other job as not run, and the part's seeds."""
    shutil.rmtree(paths.results("tiny") / "stamps")
    whole, folder = study.load(project), paths.runs() / "tiny"
    folder.mkdir(parents=True)
    agenda.write(whole, agenda.of(whole, agenda.Part(only=("head/masked/02",), seeds=(1,))), folder)
    left_out, asked = agenda.read(folder)
    assert {job.name for job in jobs.of(whole)} - left_out == {"first/01-masking", f"{HEAD}/02-fine-tuning"}
    job = agenda.asked(jobs.find(jobs.of(whole), f"{HEAD}/02-fine-tuning"), folder)
    assert job.parameters["seeds"] == [1]
    assert asked[job.name] == {"seeds": [1]}


@pytest.mark.slow
def test_a_study_is_made_and_published_seed_by_seed(tmp_path: Path) -> None:
    """A second seed would overwrite the first one's tables until that is published; then nothing is made twice."""
    path = str(tiny_study.project(tmp_path))
    for arguments in (("run", "--seed", "0"), ("plan", "--seed", "0")):
        told = tiny_study.launch(tmp_path, arguments[0], path, *arguments[1:])
        assert told.returncode == 0, told.stderr
    assert not [line for line in told.stdout.splitlines() if line.startswith("first") and not line.endswith("done")]
    refused = tiny_study.launch(tmp_path, "run", path, "--seed", "1")
    assert refused.returncode == 1
    assert "hold other seeds, which are not published and would be overwritten" in refused.stderr
    for arguments in (("publish", "--seed", "0"), ("run", "--seed", "1"), ("publish", "--seed", "1"), ("run",)):
        told = tiny_study.launch(tmp_path, arguments[0], path, *arguments[1:])
        assert told.returncode == 0, told.stderr
    assert "5 of 6 jobs are done" in told.stdout
    made = (tmp_path / "runs/computed.txt").read_text().split()
    assert len(made) == len(set(made) - {"04-figures"}) + made.count("04-figures")
    assert {name.split("/")[5] for name in made if "/" in name} == {"seed-0", "seed-1"}


def test_a_change_is_told_but_not_that_of_publishing_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second part of a study is published at the same commit as the first; a changed file of code is told."""
    monkeypatch.setenv("RRR_ROOT", str(tmp_path))
    for name in ("pyproject.toml", "code.py", "data/results/SHA256SUMS", "book/published/a.ipynb"):
        files.write_text(tmp_path / name, name)
    assert published.commit() == ""
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    at = published.commit()
    assert len(at) == 40
    for name in ("data/results/SHA256SUMS", "book/published/a.ipynb", "data/results/new.csv"):
        files.write_text(tmp_path / name, "changed")
    assert published.commit() == at
    files.write_text(tmp_path / "code.py", "changed")
    assert published.commit() == f"{at} with changes"
