"""The commands `rrr study ...`; each imports what it needs when it is called, so that help comes at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


class Commands(click.Group):
    """Commands that return their exit status, 0 by default; what was asked wrongly ends with one message and 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Return what the command returns if that is 0 or nothing; else end with it."""
        try:
            status = super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):  # by which click ends
            raise
        except (ValueError, RuntimeError, OSError) as error:
            click.echo(error, err=True)
            status = 1
        if status:
            ctx.exit(status)
        return status


def _file(context: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    """Return the study file that a path or the name of one in studies/ stands for."""
    from rrr_utils.common import paths

    if value is None or "/" in value or value.endswith(".yaml"):
        return None if value is None else Path(value)
    return paths.root() / "studies" / f"{value}.yaml"


STUDY = click.argument("study", metavar="STUDY", callback=_file)
JOBS = click.option("--jobs", type=click.IntRange(0), default=0, help="Notebooks at once (default: one for each core).")
THREADS = click.option(
    "--threads", type=click.IntRange(1), default=1, help="Threads of each notebook; part of the provenance."
)
PROFILE = click.option("--profile", default="default", help="A folder of workflow/profiles, or a path to one.")


def _part(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a part of a study."""
    seed = click.option("--seed", "seeds", type=int, multiple=True, help="Only this seed; may be given several times.")
    only = click.option(
        "--only", multiple=True, metavar="TEXT", help="Only jobs with this in their names, and what they need."
    )
    return only(seed(command))


@click.group(cls=Commands)
def study() -> None:
    """Plan, run, show and check a study. A STUDY is a file, or the name of one in studies/."""


@study.command()
@STUDY
@JOBS
@THREADS
@PROFILE
@_part
def run(study: Path, jobs: int, threads: int, profile: str, only: tuple[str, ...], seeds: tuple[int, ...]) -> int:
    """Run what is left of a study, or of a part of it. A part can be published before the next one is begun."""
    from rrr_utils.study import agenda, launch

    return launch.run(study, jobs, threads, profile, agenda.Part(only, seeds))


@study.command()
@STUDY
@JOBS
@THREADS
@PROFILE
@_part
def plan(study: Path, jobs: int, threads: int, profile: str, only: tuple[str, ...], seeds: tuple[int, ...]) -> int:
    """Say what a study has to run and what that costs. All its jobs are listed, with their state."""
    from rrr_utils.study import agenda, launch

    return launch.plan(study, jobs, threads, profile, agenda.Part(only, seeds))


@study.command()
@click.argument("study", metavar="[STUDY]", required=False, callback=_file)
def book(study: Path | None) -> int:
    """Build the book of a study's run. Without STUDY it is the book as it is committed."""
    from rrr_utils.study import book as built
    from rrr_utils.study import study_file

    return built.committed() if study is None else built.book_of(study_file.load(study))


@study.command()
@STUDY
@_part
def publish(study: Path, only: tuple[str, ...], seeds: tuple[int, ...]) -> int:
    """Put a run's notebooks and tables into the book. They are copied to where the committed book reads them."""
    from rrr_utils.study import agenda, study_file
    from rrr_utils.study import book as built

    return built.publish(study_file.load(study), agenda.Part(only, seeds))


@study.command()
@click.argument("only", nargs=-1, metavar="[PART]...")
@click.option("--list", "listed", is_flag=True, help="Say what would be compared, and compute nothing.")
def validate(only: tuple[str, ...], listed: bool) -> int:
    """Compute notebooks and pages again and compare. All of them, or those that have a PART in their name."""
    from rrr_utils.study import validate as validating

    return validating.compare(only, compute=not listed)


@study.command()
def notebooks() -> int:
    """Execute the notebooks in place, with their defaults."""
    from rrr_utils.study import execute_in_place

    return execute_in_place.execute_all()


@study.command()
@STUDY
@click.argument("table", required=False)
@click.option("--row", help="Its number, from 0; in a zoo also a model's name (default: any).")
@click.option("--seed", type=int, help="Draws the row; without it another one each time.")
@click.option("--plan", is_flag=True, help="Say what it costs, and stop.")
def recompute(study: Path, table: str | None, row: str | None, seed: int | None, plan: bool) -> int:
    """Compute a row of a published table again, or list them. Ends with 1 if it differs, with 2 without one."""
    from rrr_utils.study import recompute as recomputing

    asked = [f"--row={row}"] * (row is not None) + [f"--seed={seed}"] * (seed is not None) + ["--plan"] * plan
    return recomputing.main([str(study), *([table] if table else []), *asked])


@study.command()
@STUDY
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the HTML goes.")
@click.option("--data", help="The data set (default: the study's first).")
@click.option("--network", help="The network (default: the first that is trained on it).")
@click.option("--images", type=click.IntRange(1), default=6, help="How many test images (default: 6).")
def viewer(study: Path, out: Path, data: str | None, network: str | None, images: int) -> None:
    """Write the viewer of a run. It is one HTML file and shows the maps of all epochs."""
    from rrr_utils.study import viewer as viewing

    viewing.write(study, out, data, network, images)
    click.echo(f"{out}: {out.stat().st_size:,} bytes")
