"""A text for those who do not see a notebook's figures: the paragraph above the cell, which says what it shows.

A cell says it better itself, where it has ``{"mystnb": {"image": {"alt": "..."}}}`` in its metadata.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

LONGEST = 300  # characters; a screen reader cannot skip inside such a text


class FigureTexts(SphinxPostTransform):
    """Give each picture in the output of a cell that has no text one."""

    default_priority = 900  # when the outputs of cells have become pictures

    def run(self, **_: Any) -> None:
        for output in self.document.findall(nodes.container):
            if "cell_output" not in output.get("classes", []):
                continue
            images = list(output.findall(nodes.image))
            for number, image in enumerate(images, 1):
                if not image.get("alt"):
                    which = f"Figure {number} of {len(images)}" if len(images) > 1 else "Figure"
                    image["alt"] = _text(output.parent, which)


def _text(cell: nodes.Element, which: str) -> str:
    """Return ``which`` figure it is, and the heading and the last paragraph above ``cell``."""
    section = cell.parent
    before = section.children[: section.index(cell)]
    titles = [node.astext() for node in before if isinstance(node, nodes.title)]
    paragraphs = [node.astext() for node in before if isinstance(node, nodes.paragraph)]
    words = " ".join(f"{which}. {' '.join([*titles[-1:], *paragraphs[-1:]])}".split())
    return words if len(words) <= LONGEST else words[: LONGEST - 1].rsplit(" ", 1)[0] + " …"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform."""
    app.add_post_transform(FigureTexts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
