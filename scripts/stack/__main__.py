"""`python -m scripts.stack up|down|status|logs|reset`."""

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing to clean up yet: Ctrl-C just ends the imports

from scripts.stack.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
