"""The families of quality rules: one row each."""

FILTERS = {
    "short": "text.filters.short:ShortSettings",
}
