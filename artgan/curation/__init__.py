"""From a messy folder of pictures to a set that trains well."""
