"""Text from a model: logits to a token (sampling), token by token (decoding), with a key-value cache (inference)."""
