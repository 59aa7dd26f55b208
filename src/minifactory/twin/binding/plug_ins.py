"""Binding models of other packages, found by the entry point group ``minifactory.binding``.

A package offers its model class in its ``pyproject.toml``::

    [project.entry-points."minifactory.binding"]
    my_isotherm = "my_package.my_isotherm:MyIsotherm"

The class is a frozen dataclass of numbers with a method ``compile(components)`` that returns a
CompiledBinding, as every file in this folder shows; :func:`lay_out` does most of it. The law may use numbers,
``math`` and arrays.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from minifactory.errors import Finding, InputError

GROUP = "minifactory.binding"


def find_binding_models() -> dict[str, type]:
    """Model classes of other packages by entry point name.

    Raises
    ------
    InputError
        Entry points that cannot be loaded or are not binding models, all at once.
    """
    found: dict[str, type] = {}
    findings = []
    for point in entry_points(group=GROUP):
        try:
            model = point.load()
        except Exception as fault:  # a plug-in may fail in any way; the user hears which one and why
            findings.append(
                Finding(
                    f"plug-in {point.name}",
                    f"{point.value} cannot be loaded: {fault}",
                    "a binding model class",
                )
            )
            continue
        if not isinstance(model, type) or not callable(getattr(model, "compile", None)):
            findings.append(
                Finding(
                    f"plug-in {point.name}",
                    f"{point.value} is {model!r}",
                    "a class with a method compile(components)",
                )
            )
            continue
        found[point.name] = model
    if findings:
        raise InputError(findings)
    return found
