"""Projects as Label Studio names them: options, labels, tasks, annotations."""
