"""The only place that touches threads: disk lanes, backpressure, pool lifecycle."""
