"""Holds the known mistakes, which ``catalogue.py`` adds.

A mistake is the right set of formulas, those of the questions, with one or a few that return what
students write instead.  It is recognised in a failed check when the check's reference, made of
those formulas, gives exactly what the submission gave.
"""

import inspect
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace

import numpy as np

from judging.checks import FORMULAS

MISTAKES = []
CONSTANTS = {"np": np}  # what an expression may name, beside the right formulas


@dataclass
class Mistake:
    """A known mistake: its name in the report, the handout's problem, and what to say.

    Each of ``variants`` is a way to make it: for some formulas, by name, what they return
    instead, an expression of their parameters; or a function in their place.
    """
    id: str
    problem: str
    message: str
    variants: list


def mistake(id, problem, message, *together, **alone):
    """Add a mistake to the catalogue; returns it.

    Args:
        together (dicts): formulas that go wrong at once.
        alone: formulas that go wrong by themselves, each in one way or in a list of ways.
    """
    ways = [{name: way} for name, given in alone.items()
            for way in (given if isinstance(given, list) else [given])]
    MISTAKES.append(Mistake(id, problem, message, [*together, *ways]))
    return MISTAKES[-1]


def formulas_with(variant):
    """Return the formulas with those of a variant in the place of the right ones."""
    return SimpleNamespace(**dict(vars(FORMULAS), **{
        name: way if callable(way) else _written(name, way) for name, way in variant.items()}))


@lru_cache(maxsize=None)
def _written(name, expression):
    """Make the formula of this name return an expression of its parameters."""
    parameters = str(inspect.signature(getattr(FORMULAS, name)))[1:-1]
    return eval(f"lambda {parameters}: ({expression})", {**CONSTANTS, **vars(FORMULAS)})
