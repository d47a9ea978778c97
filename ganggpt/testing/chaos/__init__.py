"""Real faults against a real world under load, and an outside record that says what they cost."""
