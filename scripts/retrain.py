"""`python -m scripts.retrain …`: the name under which TensorFlow for Poets' scripts call `python -m backend retrain`."""

import sys

from backend.cli.app import main

if __name__ == "__main__":
    sys.argv = [sys.argv[0], "retrain", *sys.argv[1:]]
    main()
