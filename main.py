"""The door: `python main.py --version_id=ID` trains a version; `python main.py --help` lists the rest."""

from workbench.cli import main

if __name__ == "__main__":
    main()
