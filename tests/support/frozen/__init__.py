"""What must not change while the code is rearranged, recorded under tests/data and compared by tests/unit/frozen.

``python -m tests.support.frozen names`` (or ``golden``) writes a record anew.
"""
