"""How much can be done to a run before a result is lost?

The long versions of the tests of faults: the same harness, the same oracle, larger numbers. Each
part is a file; what a part found is a row of docs/reliability.md.
"""
