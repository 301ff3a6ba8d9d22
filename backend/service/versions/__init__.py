"""Model versions of a project and their files."""
