"""Schema revisions. A migration can run while the old code is serving: add first, move, remove a release later."""
