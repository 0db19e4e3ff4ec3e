"""The `.sarc` container: header, tile records, index, footer and masks, as docs/FORMAT.md has them."""
