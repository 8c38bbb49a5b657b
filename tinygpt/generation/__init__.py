"""Text from a model: sampling chooses tokens, decoding continues prompts, inference computes with a key-value cache."""
