"""Reaches out: what the post office cannot know or do by itself. Each has a null twin where it can be absent."""
