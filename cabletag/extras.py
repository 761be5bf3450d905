"""Optional dependencies: ask for them before they are imported."""

from importlib.util import find_spec

from cabletag.errors import OptionError


def need(extra: str, *modules: str) -> None:
    """Raise OptionError if a module of an extra is not installed."""
    if missing := [module for module in modules if find_spec(module) is None]:
        raise OptionError(
            f"expected {missing[0]} for this command, found it not installed; "
            f"run `pip install 'cabletag[{extra}]'`, or in a clone `pip install '.[{extra}]'`"
        )
