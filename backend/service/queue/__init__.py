"""What goes out: the order of the queue, its window, and the answers to /predict."""
