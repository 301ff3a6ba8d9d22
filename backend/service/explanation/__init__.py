"""Why a project's model gives a photo its label."""
