"""A random attack on Facedex that checks what was acknowledged: ``python -m tests.campaign``.

Each part is one module with one class. A part gets a `Stage` (its seed, its time, its folder) and a
`Tally`, where it counts what it did and reports what must not happen. To add a part, write such a
class and add it to `parts.PARTS`. The page docs/reliability.md describes what the parts check.
"""
