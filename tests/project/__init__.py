# Part of txwebsocket. See LICENSE for details.
"""
Tests of the project's own rules: layers, names, docs, speed and examples.
"""
