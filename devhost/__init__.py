"""Runs the product on a developer's machine, without Azure and without Core Tools. Not deployed."""
