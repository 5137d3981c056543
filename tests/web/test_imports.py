"""What the process that strangers can reach has loaded."""

import subprocess
import sys


def test_what_only_sign_ins_need_is_loaded_with_the_first_of_them() -> None:
    code = (
        "import sys, devops_agent.web.assemble, devops_agent.web.serve;"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'argon2', 'authlib', 'httpx', 'httpx2', 'joserfc'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_web_application_loads_nothing_that_acts_on_targets() -> None:
    code = (
        "import sys, devops_agent.web.assemble, devops_agent.web.serve;"
        "print(sorted(m for m in sys.modules if m.startswith('devops_agent.plugins') or m.split('.')[0] in"
        " {'aiohttp', 'psutil', 'docker', 'devops_agent.durable'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
