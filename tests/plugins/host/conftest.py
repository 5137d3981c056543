from tests.plugins.host.given import actuator, make, root

__all__ = ["actuator", "make", "root"]
