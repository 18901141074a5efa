"""Arrays and data sets as Keras takes them, their splits, and scoring by metric."""
