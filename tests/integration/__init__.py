"""Tests against real stores and real clusters, in folders by what a test needs, the least first.

- ``persistence``: Postgres and Redis alone. Adapters, migrations, retention.
- ``hosts``: hosts, router and supervisor as tasks of the test's own process over real stores; no Ray. Snapshots of a
  living world, recovery from the loss of a store, growth.
- ``world``: one world as ``ganggpt up`` starts it, with Ray and the bridge. Most share one for the whole session; who
  needs other models or settings starts one for its module.
- ``clusters``: Ray clusters of the test's own, several or dying. Two at once, a cluster that scales, chaos.

A test stands in the first folder that suffices. Those of ``world`` and ``clusters`` are marked ``ray`` and run one
after the other, since each of them uses the whole machine; all others may run beside each other.
"""
