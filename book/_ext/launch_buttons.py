"""The directive `launch-buttons`: links that open a notebook on Binder and on Colab, where the book's address is known."""

import os
import re
import subprocess
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

# The address of the repository, if the book is built elsewhere than in a clone of it.
VARIABLE = "RRR_REPOSITORY"
_GITHUB = re.compile(r"(?:https://|git@|ssh://git@)github\.com[/:]([\w.-]+)/([\w.-]+?)(?:\.git)?/?")


def repository(folder: str) -> str | None:
    """Return ``owner/name`` on GitHub from ``$RRR_REPOSITORY`` or the clone's remote, None if neither is one.

    Raises ``ValueError`` if the variable is set to another kind of address.
    """
    given = os.environ.get(VARIABLE)
    address = given or _git(folder, "remote", "get-url", "origin")
    match = _GITHUB.fullmatch(address)
    if given and not match:
        raise ValueError(f"{VARIABLE} must look like https://github.com/owner/name, but {given!r} was set.")
    return f"{match[1]}/{match[2]}" if match else None


def addresses(where: str, commit: str, notebook: str) -> dict[str, str]:
    """Return by name the address that opens ``notebook``, a path in the repository, as it is in ``commit``."""
    return {
        "Binder": f"https://mybinder.org/v2/gh/{where}/{commit}?labpath={notebook.replace('/', '%2F')}",
        "Colab": f"https://colab.research.google.com/github/{where}/blob/{commit}/{notebook}",
    }


class LaunchButtons(Directive):
    """``{launch-buttons} notebooks/01-masking.ipynb``: the links, or one sentence on how a book gets them."""

    required_arguments = 1
    has_content = False
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return one paragraph."""
        environment = self.state.document.settings.env
        folder = str(environment.app.srcdir)
        where = repository(folder)
        if where is None:
            said = (
                "This book was built from a folder of which no repository on GitHub is known. Built in a clone of one, or "
                f"with {VARIABLE} set to its address, it has buttons here."
            )
            return [nodes.paragraph("", said)]
        commit = _git(folder, "rev-parse", "HEAD") or "HEAD"
        line = nodes.paragraph(classes=["launch-buttons"])
        for name, address in addresses(where, commit, self.arguments[0]).items():
            classes = ["sd-btn", "sd-btn-outline-primary"]
            line += nodes.reference("", f"Open on {name}", refuri=address, internal=False, classes=classes)
            line += nodes.Text(" ")
        return [line]


def _git(folder: str, *command: str) -> str:
    """Return what git says, or nothing where there is no history."""
    try:
        done = subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("launch-buttons", LaunchButtons)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
