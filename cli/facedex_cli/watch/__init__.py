"""``facedex stream watch``: show who a stream processor recognises."""
