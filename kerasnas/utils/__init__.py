"""What every package needs: Keras's global state around one model, and files written whole.

- `session`: numbers of layers, and the random generators.
- `files`: atomic replacement.
"""
