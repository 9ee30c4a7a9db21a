# Part of txwebsocket. See LICENSE for details.
"""
Property-based tests of the protocol core.

They need hypothesis, and stay out of ``trial tests``. Run one with
``trial tests.properties.prop_frames``, all with ``trial tests.properties.prop_all``.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "txwebsocket",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)
settings.load_profile("txwebsocket")
