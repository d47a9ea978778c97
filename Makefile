# The plain commands behind each target stand in the README.
