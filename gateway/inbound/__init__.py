"""The way in: one straight line from bytes to what the journal commits (`path.py`). Pure: no IO, no clock."""
