"""Background training: candidate models, their selection, fine-tuning."""
