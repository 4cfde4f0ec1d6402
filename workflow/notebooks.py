"""Execute the notebooks in place with their defaults, in order, without times and places: `make notebooks`."""

import os
import shutil
import sys
import time

from rrr_utils.common import files, paths
from rrr_utils.study import executed_notebook as executed
from rrr_utils.study import run_notebook, worker


def main() -> int:
    """Execute notebooks/*.ipynb, each in its own kernel; return 0, or 1 with the reason on stderr."""
    folder = paths.root() / "build" / "notebooks"
    # From nothing, as on the machine of someone who checks them.
    shutil.rmtree(folder, ignore_errors=True)
    os.environ["RRR_RUNS"] = str(folder)
    worker.environment()
    for notebook in sorted((paths.root() / "notebooks").glob("*.ipynb")):
        began = time.time()
        print(f"{notebook.name} ...", flush=True)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            result = run_notebook.execute(notebook, folder / notebook.name, {})
            files.write_text(notebook, executed.text(executed.strip(result)))
        except (RuntimeError, OSError) as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{notebook.name} executed in {time.time() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
