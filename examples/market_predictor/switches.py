"""Which faults are on: switched by HTTP or by a file, remembered over a restart where the fault says so."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .faults import FAULTS, Fault, Params, SwitchError
from .place import Place, write_whole

log = logging.getLogger("market_predictor")


@dataclass(frozen=True, kw_only=True)
class On:
    """A fault that is switched on."""

    fault: Fault
    params: Params
    since: float = field(default_factory=time.monotonic)
    from_start: bool = False
    """It was on already when this process started."""

    def number(self, name: str) -> float:
        """Return a parameter that is a number."""
        return float(self.params[name])


class Switches:
    """The faults that are on, in this process and as files `faults/NAME.json`."""

    def __init__(self, place: Place, *, wanted: Callable[[Fault], bool] = lambda _: True) -> None:
        self._place = place
        self._wanted = wanted
        self._on: dict[str, On] = {}
        for name in self._dropped():
            if name in FAULTS and not FAULTS[name].survives:
                self._file_off(name)
        self.read_files(at_start=True)

    def get(self, name: str) -> On | None:
        """Return the fault if it is on."""
        return self._on.get(name)

    def on(self, name: str, given: dict[str, object]) -> None:
        """Switch a fault on.

        Raises:
            SwitchError: there is no such fault here, or its parameters are wrong.

        """
        fault = self._known(name)
        params = fault.params_from(given)
        if fault.survives:
            write_whole(self._place.faults / f"{name}.json", json.dumps(params))
        self._on[name] = On(fault=fault, params=params)
        log.warning("fault %s is on: %s", name, params)

    def count_down(self, name: str, *, times: float) -> None:
        """Leave the fault on for so many more times."""
        on = self._on[name]
        self._on[name] = replace(on, params=on.params | {"times": times})
        write_whole(self._place.faults / f"{name}.json", json.dumps(self._on[name].params))

    def off(self, name: str) -> None:
        """Switch a fault off; what it has filled or lost stays so."""
        self._file_off(name)
        if self._on.pop(name, None):
            log.warning("fault %s is off", name)

    def read_files(self, *, at_start: bool = False) -> None:
        """Switch on what lies in `faults/`, and off what lay there and is gone."""
        dropped = self._dropped()
        for name in dropped - self._on.keys():
            try:
                self._take(name, at_start=at_start)
            except (OSError, ValueError) as error:
                log.warning("took no notice of the switch file of %s: %s", name, error)
                self._file_off(name)
        for name in [name for name, on in self._on.items() if on.fault.survives and name not in dropped]:
            self.off(name)

    def _take(self, name: str, *, at_start: bool) -> None:
        fault = self._known(name)
        given = json.loads((self._place.faults / f"{name}.json").read_text() or "{}")
        if not isinstance(given, dict):
            raise SwitchError(f"cannot switch on {name}: its file has to be empty or a JSON object of parameters")
        self._on[name] = On(fault=fault, params=fault.params_from(given), from_start=at_start)
        log.warning("fault %s is on: %s", name, self._on[name].params)
        if not fault.survives:
            self._file_off(name)

    def _known(self, name: str) -> Fault:
        known = [fault.name for fault in FAULTS.values() if self._wanted(fault)]
        if name not in known:
            raise SwitchError(f"no fault {name!r} here; known: {', '.join(known)}")
        return FAULTS[name]

    def _dropped(self) -> set[str]:
        return {path.stem for path in self._place.faults.glob("[!.]*.json")}

    def _file_off(self, name: str) -> None:
        (self._place.faults / f"{name}.json").unlink(missing_ok=True)
