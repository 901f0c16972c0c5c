"""SQL only: what is stored, and the statements that read and change it.

Functions here take a `Session` inside the caller's transaction (`with sessions.begin() as session:`), `now` where they
need it, and never call the network.
"""
