"""What every test shares: how long and how repeatably property tests search."""

import os

from hypothesis import settings

# No deadline: on a busy machine a slow example is no defect.
settings.register_profile("search", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=25)  # `make check`
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "search"))
