"""The words of the product as values: what each is, and the rules that need no I/O."""
