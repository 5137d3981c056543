"""DevOps AI Agent: watches services, repairs what is safe to repair, and proves that the repair worked."""

__version__ = "0.1.0"
