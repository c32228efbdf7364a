"""Real faults on a real cluster: processes and nodes are killed while agents hop and write to each other.

``make chaos`` runs the long form; `tests/agents/test_chaos.py` a short one.
"""
