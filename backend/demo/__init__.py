"""The demo: a real Label Studio and the backend on this machine, with photos and a project."""
