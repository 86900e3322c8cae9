"""The yardstick: the stack that one would write first, one interpreter a job, each importing what its job needs."""
