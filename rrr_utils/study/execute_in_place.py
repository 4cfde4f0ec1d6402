"""The notebooks, executed in place with their defaults, without times and places: `rrr study notebooks`."""

import os
import shutil
import time

from rrr_utils.common import files, paths
from rrr_utils.study import executed_notebook, run_notebook, worker


def execute_all() -> int:
    """Execute notebooks/*.ipynb in order, each in its own kernel; return 0, or raise what the first failure raises."""
    folder = paths.root() / "build" / "notebooks"
    # From nothing, as on the machine of someone who checks them.
    shutil.rmtree(folder, ignore_errors=True)
    os.environ["RRR_RUNS"] = str(folder)
    worker.environment()
    for notebook in sorted((paths.root() / "notebooks").glob("*.ipynb")):
        began = time.time()
        print(f"{notebook.name} ...", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        result = run_notebook.execute(notebook, folder / notebook.name, {})
        files.write_text(notebook, executed_notebook.text(executed_notebook.strip(result)))
        print(f"{notebook.name} executed in {time.time() - began:.0f} s")
    return 0
