"""`python -m bindpost` is `bindpost`."""

from bindpost.cli import main

if __name__ == "__main__":
    main(prog_name="bindpost")
