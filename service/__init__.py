"""The service: predictions, feedback and maintenance over HTTP; small, over the library, and free of widgets."""
