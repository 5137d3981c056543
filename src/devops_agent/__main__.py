"""The command line as ``python -m devops_agent``."""

if __name__ == "__main__":
    from devops_agent.cli import main

    raise SystemExit(main())
