"""The API page without the fields of named tuples, whose only text is "Alias for field number 0"."""

from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Leave the fields out; the tuple's own docstring says what they are."""
    app.connect("autodoc-skip-member", _skip)
    return {"version": "1", "parallel_read_safe": True}


def _skip(app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    return True if str(getattr(member, "__doc__", "")).startswith("Alias for field number") else None
