"""`python -m scripts.label_image …`: the name under which TensorFlow for Poets' scripts call `python -m backend label-image`."""

import sys

from backend.cli.app import main

if __name__ == "__main__":
    sys.argv = [sys.argv[0], "label-image", *sys.argv[1:]]
    main()
