"""Models as files that other programs read: ONNX, GGUF, and transformers' own folder."""
