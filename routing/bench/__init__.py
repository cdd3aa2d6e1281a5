"""Measurements of the optimiser beside its peers: every run a process of its own on its own cores, every answer checked.

`routing.bench.campaign` plans the runs and keeps the table, `measuring` watches one process tree, `runner` is what runs
in it, `peers` are the others, `report` writes tables and pictures.
"""
