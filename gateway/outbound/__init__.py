"""The way out: a straight line from command to receipt or answer (`path.py`), and its life between (`states.py`)."""
