"""The process that runs background jobs: consumer, handlers, one runner for each job."""
