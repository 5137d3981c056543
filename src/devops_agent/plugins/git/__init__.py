"""Git: what was committed to, or pulled into, the checkout that a target runs from."""
