"""The parts of Connexion that we build on, imported without what a server never uses.

Problem: importing Connexion takes longer than everything else together. Observation: half of that is httpx with rich,
requests with urllib3, Jinja and Starlette's test client, for features that are not used here (a test client, tokens
checked by another server, contracts read from the network or from templates). Choice: while Connexion is imported,
stand-ins take their place; each loads the real module when something of it is used. ``importlib.util.LazyLoader`` would
be the standard tool, but up to Python 3.12 the import statement itself makes it load.

Whoever needs Connexion imports it from here, so that it does not matter who comes first.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

MODULES = ("httpx", "jinja2", "requests", "starlette.templating", "starlette.testclient")
"""Connexion only imports these, and touches nothing of them before it is asked to use them."""


def _call(module_name: str, name: str, *args: Any, **kwargs: Any) -> Any:
    return getattr(import_module(module_name), name)(*args, **kwargs)


def _stand_in(module_name: str) -> ModuleType:
    module = ModuleType(module_name)

    def attribute(name: str) -> Callable[..., Any]:
        """Answer ``from module import name`` with a function that calls the real thing, whatever it is."""
        if name.startswith("__"):
            raise AttributeError(name)
        return partial(_call, module_name, name)

    module.__getattr__ = attribute  # type: ignore[method-assign]
    return module


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Put stand-ins where nothing was imported yet, and take them away at the end: later imports are as ever."""
    made = {name: _stand_in(name) for name in MODULES if name not in sys.modules}
    sys.modules.update(made)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


with _stand_ins(), warnings.catch_warnings():
    # Connexion imports a name that jsonschema calls deprecated; nobody here can do anything about it.
    warnings.simplefilter("ignore", DeprecationWarning)
    from connexion import AsyncApp
    from connexion.middleware.abstract import SpecMiddleware
    from connexion.middleware.lifespan import LifespanMiddleware
    from connexion.middleware.main import API
    from connexion.spec import OpenAPISpecification, Specification

__all__ = [
    "API",
    "AsyncApp",
    "LifespanMiddleware",
    "OpenAPISpecification",
    "SpecMiddleware",
    "Specification",
]
