"""A figure that was glued in an executed notebook, with a caption and a text for those who do not see it.

MyST-NB's own directive for figures reads the page that it stands on; this one reads another notebook of the book::

    ```{glued-figure} published/demo/04-figures.ipynb::fig_story
    :alt: What the figure shows.
    The caption.
    ```
"""

import base64
import hashlib
import os
from pathlib import Path
from typing import Any, ClassVar

import nbformat
from docutils import nodes
from docutils.parsers.rst import directives
from figure_data import links
from sphinx.application import Sphinx
from sphinx.directives.patches import Figure


class GluedFigure(Figure):
    """Sphinx's own figure, its picture taken from ``<notebook>::<key>``; a missing one is an error with the keys."""

    option_spec: ClassVar[dict[str, Any]] = {**Figure.option_spec, "alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        env = self.state.document.settings.env
        notebook, _, key = self.arguments[0].partition("::")
        _, place = env.relfn2path(notebook, env.docname)
        env.note_dependency(place)
        try:
            found = pictures(Path(place))
        except FileNotFoundError:
            raise self.error(f"There is no notebook {notebook!r}.") from None
        if key not in found:
            raise self.error(f"Notebook {notebook!r} has no glued picture {key!r}; it has {sorted(found)}.")
        folder = Path(env.app.doctreedir) / "glued"
        folder.mkdir(exist_ok=True)
        suffix = "png" if found[key].startswith(b"\x89PNG") else "jpg"
        picture = folder / f"{key}-{hashlib.sha256(found[key]).hexdigest()[:16]}.{suffix}"
        picture.write_bytes(found[key])
        self.arguments[0] = os.path.relpath(picture, Path(env.doc2path(env.docname)).parent)
        made = super().run()
        for caption in [caption for node in made for caption in node.findall(nodes.caption)]:
            caption += self._origin(env, Path(place), cells_of(Path(place))[key])
        return made

    def _origin(self, env: Any, notebook: Path, cell: int) -> list[nodes.Node]:
        """Return what leads from the caption to the notebook, to its table and to its commit."""
        inside = notebook.relative_to(env.srcdir).with_suffix("")
        address = os.path.relpath(f"{inside.as_posix()}.html", Path(env.docname).parent.as_posix())
        lead = [nodes.Text(" From the "), nodes.reference("", "notebook", refuri=address, internal=True), nodes.Text(". ")]
        return [*lead, *links(env.app, env.docname, notebook, cell)]


def cells_of(notebook: Path) -> dict[str, int]:
    """Return the number of the cell that glued each key."""
    return {
        output["metadata"]["scrapbook"]["name"]: number
        for number, cell in enumerate(nbformat.read(notebook, as_version=4).cells)
        for output in cell.get("outputs", [])
        if "scrapbook" in output.get("metadata", {})
    }


def pictures(notebook: Path) -> dict[str, bytes]:
    """Return the pictures, PNG or JPEG, that were glued in an executed notebook, by key."""
    found = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        for output in cell.get("outputs", []):
            key = output.get("metadata", {}).get("scrapbook", {}).get("name")
            for mime, data in output.get("data", {}).items():
                if key and mime.endswith(("image/png", "image/jpeg")):
                    found[key] = base64.b64decode(data)
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("glued-figure", GluedFigure)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
