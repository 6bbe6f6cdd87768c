"""``python -m afflux`` is the ``afflux`` command."""

from afflux.cli.main import main

if __name__ == "__main__":
    main()
