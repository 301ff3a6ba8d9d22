"""Sheets of a project: who has which photos before them, what they answered, and taking it back."""
