"""Before time is spent: memory that would be needed, what fits, and what some minutes would give.

    cost model (seconds of a step, fitted) ─► projection (presets that were not measured)
                                           └─► budget ◄─ loss_curve (fitted to training runs)

Nothing here is a measurement. A projection carries its model's error, is drawn apart, and enters no aggregate.
"""
