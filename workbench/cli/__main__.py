"""`python -m workbench.cli`: the same door as main.py, for processes that the workbench starts itself."""

from workbench.cli import main

main()
