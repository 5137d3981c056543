"""Working fakes for the tests of plugins and engine, and the contracts that real plugins pass, too.

The fakes share one `FakeWorld`: what `FakeActuator` changes, `FakeProbe` sees. Nothing here needs pytest.
"""

from devops_agent.kit.testing.actuator import FakeActuator, Killed, Trouble
from devops_agent.kit.testing.clock import START, FakeClock
from devops_agent.kit.testing.contract import ActuatorContract
from devops_agent.kit.testing.handed import OpenGuardian, StrictGuardian, tools
from devops_agent.kit.testing.notifier import FakeNotifier
from devops_agent.kit.testing.notifier_contract import NotifierContract
from devops_agent.kit.testing.reasoner import ScriptedReasoner, Turn
from devops_agent.kit.testing.reasoner_contract import ReasonerContract
from devops_agent.kit.testing.senses import FakeInventory, FakeProbe, FakeWatcher
from devops_agent.kit.testing.telemetry import FakeChanges, FakeLogs, FakeMetrics
from devops_agent.kit.testing.telemetry_contract import ChangesContract, LogsContract, MetricsContract
from devops_agent.kit.testing.world import Done, FakeService, FakeWorld

__all__ = [
    "START",
    "ActuatorContract",
    "ChangesContract",
    "Done",
    "FakeActuator",
    "FakeChanges",
    "FakeClock",
    "FakeInventory",
    "FakeLogs",
    "FakeMetrics",
    "FakeNotifier",
    "FakeProbe",
    "FakeService",
    "FakeWatcher",
    "FakeWorld",
    "Killed",
    "LogsContract",
    "MetricsContract",
    "NotifierContract",
    "OpenGuardian",
    "ReasonerContract",
    "ScriptedReasoner",
    "StrictGuardian",
    "Trouble",
    "Turn",
    "tools",
]
