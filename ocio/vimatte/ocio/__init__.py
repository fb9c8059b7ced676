"""Pictures, time and colour: readers, writers, frame ranges and OCIO; knows neither torch nor instances."""
