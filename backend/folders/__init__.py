"""Work on folders of photos, without Label Studio."""
