"""Whether what a configuration gives a system's fields is of their kind."""

from __future__ import annotations

import math
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def misfit(system: type, config: dict[str, object]) -> str:
    """The first field that holds something of another kind than the system declares, as part of a sentence.

    Args:
        system: the data class.
        config: its fields, as JSON has them: lists for tuples, and whole numbers for numbers.

    Returns:
        Such as ``pure_noise is 'x'; give a number``; empty when all fields fit. Names that are no fields are passed
        over.
    """
    kinds = get_type_hints(system)
    for name, value in config.items():
        if name in kinds and (wanted := _wanted(kinds[name], value)):
            return f"{name} is {value!r}; give {wanted}"
    return ""


def _wanted(kind: Any, value: object) -> str:
    """What a value of another kind should have been; empty when it is of this kind."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        wanted = [_wanted(one, value) for one in inner]
        return "" if "" in wanted else " or ".join(wanted)
    if origin is tuple:
        return _wanted_list(inner, value)
    if kind is NoneType:
        return "" if value is None else "null"
    if kind is bool:
        return "" if isinstance(value, bool) else "true or false"
    if kind is int:
        return "" if isinstance(value, int) and not isinstance(value, bool) else "a whole number"
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return "" if number else "a number"
    if kind is str or origin is Literal:
        return "" if isinstance(value, str) else "a text"
    if origin is dict or kind is dict:
        return "" if isinstance(value, dict) else "a JSON object in braces"
    return ""


def _wanted_list(inner: tuple[Any, ...], value: object) -> str:
    """As `_wanted`, of a tuple: ``(int, ...)`` of any length, or one kind a place."""
    plural = {int: "whole numbers", float: "numbers", str: "texts"}.get(inner[0], "values")
    any_length = inner[-1] is Ellipsis
    wanted = f"a list of {plural}" if any_length else f"a list of {len(inner)} {plural}"
    if not isinstance(value, list | tuple) or not (any_length or len(value) == len(inner)):
        return wanted
    return wanted if any(_wanted(inner[0], one) for one in value) else ""
