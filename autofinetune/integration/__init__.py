"""What other libraries' users import: one module per library, which loads it only when used."""
