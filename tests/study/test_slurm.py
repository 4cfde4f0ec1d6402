"""A study on a cluster: Snakemake's Slurm executor with commands of Slurm that run a job on the spot."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import tiny_study

# What the executor calls. A submitted job runs in the background; its state is what `sacct` is asked for.
COMMANDS = {
    "sbatch": """
import json, os, pathlib, subprocess, sys
place = pathlib.Path(os.environ["FAKE_SLURM"])
number = len(list(place.glob("*.state"))) + 1
wrapped = next(each[len("--wrap=") :] for each in sys.argv if each.startswith("--wrap="))
asked = {sys.argv[n][2:]: sys.argv[n + 1] for n in range(1, len(sys.argv) - 1) if sys.argv[n] in ("--mem", "--comment")}
asked["runtime"] = sys.argv[sys.argv.index("-t") + 1]
(place / f"{number}.asked").write_text(json.dumps(asked))
state = place / f"{number}.state"
state.write_text("RUNNING")
log = pathlib.Path(sys.argv[sys.argv.index("--output") + 1].replace("%j", str(number)))
done = f'if ( {wrapped} ) >"{log}" 2>&1; then echo COMPLETED; else echo FAILED; fi >"{state}.new"'
subprocess.Popen(
    ["sh", "-c", f'{done}; mv "{state}.new" "{state}"'],
    cwd=sys.argv[sys.argv.index("-D") + 1],
    env={**os.environ, "SLURM_JOB_ID": str(number)},
    stdin=subprocess.DEVNULL,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
print(number)
""",
    "srun": """
import os, sys
command = sys.argv[1:]
while command[0].startswith("-"):
    command.pop(0)
os.execvp(command[0], command)
""",
    # After every answer without news the executor waits ten seconds longer before it asks again, and no setting says
    # otherwise. So the answer waits for news, though not for the minute after which the executor gives up.
    "sacct": """
import os, pathlib, time
place = pathlib.Path(os.environ["FAKE_SLURM"])
def states():
    return {state.stem: state.read_text().strip() for state in sorted(place.glob("*.state"))}
def running():
    return {number for number, state in states().items() if state == "RUNNING"}
before, end = running(), time.monotonic() + 40
while before and before <= running() and time.monotonic() < end:
    time.sleep(0.05)
for number, state in states().items():
    print(f"{number}|{state}")
""",
    "sinfo": "",
    "scancel": "",
}


@pytest.fixture
def cluster(tmp_path):
    """A folder of commands that come first in the path, and a profile as a cluster's users write it."""
    commands, jobs = tmp_path / "bin", tmp_path / "slurm"
    for folder in (commands, jobs):
        folder.mkdir()
    for name, code in COMMANDS.items():
        script = commands / name
        script.write_text(f"#!{shutil.which('python3')}\n{code}", encoding="utf-8")
        script.chmod(0o755)
    profile = tmp_path / "profile"
    shutil.copytree(tiny_study.PROJECT / "workflow" / "profiles" / "slurm", profile)
    config = (profile / "config.yaml").read_text(encoding="utf-8")
    config = re.sub("latency-wait: .*", "latency-wait: 5", config)
    config += "slurm-init-seconds-before-status-checks: 1\nslurm-no-account: true\n"
    (profile / "config.yaml").write_text(config, encoding="utf-8")
    return profile, {"PATH": f"{commands}:{os.environ['PATH']}", "FAKE_SLURM": str(jobs)}


def submitted(cluster):
    return [json.loads(each.read_text()) for each in sorted(Path(cluster[1]["FAKE_SLURM"]).glob("*.asked"))]


@pytest.mark.slow
def test_a_study_runs_through_slurm(tmp_path, cluster):
    """Every notebook is a job of its own with the resources of the profile, and the tables are those of any run."""
    path = tiny_study.project(tmp_path / "project")
    profile, environment = cluster
    ran = tiny_study.launch(
        tmp_path / "project", "run", str(path), "--jobs", "4", "--profile", str(profile), **environment
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    asked = submitted(cluster)
    rules = [re.match("rule_([a-z_]+?)(_wildcards_|$)", each["comment"]).group(1) for each in asked]
    assert sorted(rules) == ["figures", "fine_tuning", "head", "masking", "scoring", "scoring"]
    by_rule = dict(zip(rules, asked, strict=True))
    assert (by_rule["scoring"]["mem"], by_rule["scoring"]["runtime"]) == ("8000", "1440")
    assert (by_rule["masking"]["mem"], by_rule["masking"]["runtime"]) == ("4000", "120")
    stamps = list((tmp_path / "project" / "runs" / "tiny").rglob("*.stamp.json"))
    assert len(stamps) == len(asked)
    again = tiny_study.launch(
        tmp_path / "project", "run", str(path), "--jobs", "4", "--profile", str(profile), **environment
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(submitted(cluster)) == len(asked), "what was done was submitted again"
