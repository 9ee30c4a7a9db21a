# Part of txwebsocket. See LICENSE for details.
"""
Coverage-guided fuzzing of all that reads what a peer has sent.

``targets`` has a function for each such part, which takes any bytes and raises an
:exc:`AssertionError` where a promise is broken. ``run`` has them called with what
reaches lines that were not reached before, under atheris. What was found useful to
start from, and what broke something once, is kept in ``corpus`` and ``regressions``;
``tests/project/test_fuzz.py`` gives it to the targets without needing atheris.
"""
