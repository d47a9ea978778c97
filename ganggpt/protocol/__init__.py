"""The wire of the bridge: frames, codecs, limits, and the reading of commands."""
