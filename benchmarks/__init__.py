"""Measurements of the running service: ratios of two things that take turns, wherever there are two things.

Absolute are the milliseconds of one explanation, live drawings a second, and what LeNet-5's requests take
over the floor.
"""
