"""`python -m drctl`."""

from drctl.main import main

main()
