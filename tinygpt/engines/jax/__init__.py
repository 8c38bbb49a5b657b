"""Engine ``jax``: accelerators, several of them, and several hosts.

    settings.py   the options of a variant, and what they mean in JAX's terms
    layout.py     named arrays ↔ the tree that the compiled step works on
    model.py      tokens → logits → loss, in plain ``jax.numpy``; gradients are JAX's own
    step.py       forward, backward, clipping and AdamW as one program, several steps in a loop
    mesh.py       devices as a mesh; which part of a batch or a weight lies on which
    memory.py     bytes that a device needs, before anything is allocated
    engine.py     the engine
    hosts.py      several processes: meeting, agreeing on the configuration, noticing who is lost

Nothing here is imported until the engine is made: JAX is an extra.
"""
