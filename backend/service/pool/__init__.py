"""A project's photos in memory as arrays, and what the model predicts of them."""
