"""The doors: each file is one framework's way in, imported as geventws.adapters.<name>.

A door imports its framework plainly at its top, so a missing one is an honest ImportError. Nothing
in geventws imports a door.
"""
