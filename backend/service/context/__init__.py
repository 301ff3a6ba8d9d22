"""What one process of the backend has open: settings, database, backbones, label spaces."""
