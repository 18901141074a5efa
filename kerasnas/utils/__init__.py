"""What every package needs: Keras's global state around one model, whole files, inputs.

- `session`: numbers of layers, and the random generators.
- `files`: atomic replacement.
- `arrays`: inputs as one array for each.
- `direction`: which way a metric points.
- `compiled`: what a model was compiled with.
"""
