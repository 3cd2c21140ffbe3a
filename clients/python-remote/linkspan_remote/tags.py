"""CBOR tags of values, except the tags of array elements."""

BIG, BIG_NEGATIVE, DECIMAL, NAMED, UUID, BY_ROWS, BOOLEANS, INSTANT, BY_COLUMNS, COMPLEX = 2, 3, 4, 27, 37, 40, 41, 1001, 1040, 43001
