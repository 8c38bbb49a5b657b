"""The cost model: what a training step does, how long that takes here, and what a span of time would buy.

    work (calls, FLOPs, bytes) ─► model (seconds, fitted) ─► projection (presets that were not measured)
                                                        └─► budget ◄─ loss_curve (fitted to training runs)

Nothing here is a measurement. A projection carries its model's error, is drawn apart, and enters no aggregate.
"""
