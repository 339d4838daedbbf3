"""`python -m autofinetune` is the command `autofinetune`."""

from autofinetune.cli import main

raise SystemExit(main())
