"""HTTP: translates between requests and the use cases of `courier`, and knows nothing that the cashier would have to know."""
