"""What notebooks set in other modules: generators, options, log levels, warning filters.

Only modules that are loaded are looked at.
"""

from __future__ import annotations

import logging
import random
import sys
import warnings
from typing import Any


def gather(state: Any) -> dict[str, Any]:
    """Return the settings that notebooks change in modules, and the state of generators.

    Parameters
    ----------
    state
        That of `random`; ``None`` where it is not loaded.
    """
    kept: dict[str, Any] = {"random": state, "filters": list(warnings.filters)}
    loggers = {"": logging.getLogger()}
    loggers |= {
        name: logger
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger)
    }
    kept["levels"] = {name: logger.level for name, logger in loggers.items() if logger.level}
    kept["handlers"] = [
        (
            name,
            "stdout" if handler.stream is sys.stdout else "stderr",
            handler.level,
            handler.formatter,
        )
        for name, logger in loggers.items()
        for handler in logger.handlers
        if type(handler) is logging.StreamHandler and handler.stream in (sys.stdout, sys.stderr)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if numpy := sys.modules.get("numpy"):
            kept["numpy"] = numpy.random.get_state(), numpy.get_printoptions(), numpy.geterr()
        if (matplotlib := sys.modules.get("matplotlib")) and hasattr(matplotlib, "rcParams"):
            rc = matplotlib.rcParams
            kept["matplotlib"] = {name: rc[name] for name in rc if name != "backend"}
        if (pandas := sys.modules.get("pandas")) and hasattr(pandas, "options"):
            kept["pandas"] = dict(_options(pandas.options))
        if (sklearn := sys.modules.get("sklearn")) and hasattr(sklearn, "get_config"):
            kept["sklearn"] = sklearn.get_config()
        if (torch := sys.modules.get("torch")) and hasattr(torch, "get_rng_state"):
            kept["torch"] = torch.get_rng_state()
    return kept


def _options(node: Any, prefix: str = "") -> Any:
    for name in dir(node):
        value = getattr(node, name)
        if type(value) is type(node):
            yield from _options(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def put_back(kept: dict[str, Any]) -> None:
    """Make the settings those that `gather` has returned."""
    for name, level in kept["levels"].items():
        logging.getLogger(name).setLevel(level)
    for name, stream, level, formatter in kept["handlers"]:
        logger = logging.getLogger(name)
        if not logger.handlers:
            handler = logging.StreamHandler(getattr(sys, stream))
            handler.setLevel(level)
            handler.setFormatter(formatter)
            logger.addHandler(handler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "matplotlib" in kept:
            sys.modules["matplotlib"].rcParams.update(kept["matplotlib"])
        if "pandas" in kept:
            pandas = sys.modules["pandas"]
            for name, value in kept["pandas"].items():
                if pandas.get_option(name) != value:
                    pandas.set_option(name, value)
        if "sklearn" in kept:
            sys.modules["sklearn"].set_config(**kept["sklearn"])
        if "torch" in kept:
            sys.modules["torch"].set_rng_state(kept["torch"])
        if "numpy" in kept:
            numpy = sys.modules["numpy"]
            state, shown, errors = kept["numpy"]
            numpy.set_printoptions(**{k: v for k, v in shown.items() if k != "override_repr"})
            numpy.seterr(**errors)
            numpy.random.set_state(state)
    filters: Any = warnings.filters
    filters[:] = kept["filters"]
    if kept["random"] is not None:
        random.setstate(kept["random"])
