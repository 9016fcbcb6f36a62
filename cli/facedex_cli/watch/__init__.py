"""``facedex stream watch``: show the people that a stream processor recognises."""
