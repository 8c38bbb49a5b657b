"""Estimates before time is spent: memory, what fits, and the result of some minutes of training.

    cost model (seconds of a step, fitted) ─► projection (presets that were not measured)
                                           └─► budget ◄─ loss_curve (fitted to training runs)

Nothing here is a measurement. A projection has its model's error, is drawn differently, and enters no aggregate.
"""
