"""What is sent into a running kernel as text: there, this package cannot be imported.

These modules import the standard library, and what a notebook's environment may hold or lack.
"""
