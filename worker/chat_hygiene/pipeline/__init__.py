"""The stages, one a file, each `run(context, …, now) -> Report`: sync, evaluate, drain (through gate), reconcile, seal."""
