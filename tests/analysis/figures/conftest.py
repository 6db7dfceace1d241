"""The folder of `made_records`, which the tests here and those of the report use."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
