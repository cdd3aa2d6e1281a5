"""Remembers: typed tables, loading and recording, migrations. The only place that speaks SQL."""
