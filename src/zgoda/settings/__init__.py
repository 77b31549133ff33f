"""The project folder: plain files in the user's git, checked, typed, and compiled to the engine's `Setup` (T-73).

Start with `zgoda.settings.load.load_project` and `zgoda.settings.compilation.compile_setup`.
"""
