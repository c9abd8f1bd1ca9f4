"""One module per provider: where its data are, and how they become our tables.

No endpoint can be reached from CI: the formats are those that the providers document, or that were
recorded, and the tests serve them from this machine.
"""
