"""``python -m DosePredictionLib``."""

import sys

from DosePredictionLib.cli.main import main

sys.exit(main())
