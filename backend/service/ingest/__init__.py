"""What comes in from Label Studio: webhooks, polls, and the photos that get embedded."""
