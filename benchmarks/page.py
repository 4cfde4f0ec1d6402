"""Execute a page of the book in place from the results that are there: `page.py [book/speed.ipynb]`, in seconds."""

import sys

from rrr_utils.common import files, paths
from rrr_utils.study import executed_notebook as executed
from rrr_utils.study import run_notebook, worker


def main() -> None:
    """Execute the page and leave it without times and places."""
    worker.environment()
    page, build = paths.root() / (sys.argv[1] if len(sys.argv) > 1 else "book/speed.ipynb"), paths.root() / "build"
    build.mkdir(exist_ok=True)
    files.write_text(page, executed.text(executed.strip(run_notebook.execute(page, build / page.name, {}))))
    print(f"Written: {page.relative_to(paths.root())}")


if __name__ == "__main__":
    main()
