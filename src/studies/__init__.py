"""A study: one question asked of many configurations, each trained with several seeds."""
