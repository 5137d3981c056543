"""Working fakes for the tests of plugins and engine, and the contract that every actuator passes.

The fakes share one `FakeWorld`: what `FakeActuator` changes, `FakeProbe` sees. Nothing here needs pytest.
"""

from devops_agent.kit.testing.actuator import FakeActuator, Killed, Trouble
from devops_agent.kit.testing.clock import START, FakeClock
from devops_agent.kit.testing.contract import ActuatorContract
from devops_agent.kit.testing.handed import OpenGuardian, StrictGuardian, tools
from devops_agent.kit.testing.senses import FakeInventory, FakeProbe, FakeWatcher
from devops_agent.kit.testing.world import Done, FakeService, FakeWorld

__all__ = [
    "START",
    "ActuatorContract",
    "Done",
    "FakeActuator",
    "FakeClock",
    "FakeInventory",
    "FakeProbe",
    "FakeService",
    "FakeWatcher",
    "FakeWorld",
    "Killed",
    "OpenGuardian",
    "StrictGuardian",
    "Trouble",
    "tools",
]
