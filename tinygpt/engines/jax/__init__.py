"""Engine ``jax``: accelerators, several of them, and several hosts.

    settings.py   the options of a variant, in JAX's terms
    layout.py     named arrays ↔ the tree that the compiled step works on
    model.py      tokens → logits → loss, in plain ``jax.numpy``; gradients are JAX's own
    step.py       forward, backward, clipping and AdamW as one program, several steps in a loop
    mesh.py       devices as a mesh; which device has which part of a batch or a weight
    memory.py     bytes that a device needs, before anything is allocated
    engine.py     the engine
    hosts.py      several processes: connecting, comparing configurations, detecting a lost process
    processes.py  several processes, as the training loop sees them

All this is imported only when the engine is made: JAX is an extra.
"""
