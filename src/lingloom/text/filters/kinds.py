"""The families of quality rules: one row each."""

FILTERS = {
    "short": "text.filters.short:ShortSettings",
    "gopher_quality": "text.filters.gopher_quality:GopherQualitySettings",
    "gopher_repetition": "text.filters.gopher_repetition:GopherRepetitionSettings",
    "c4": "text.filters.c4:C4Settings",
    "fineweb": "text.filters.fineweb:FineWebSettings",
    "language": "text.filters.language:LanguageSettings",
    "chinese": "text.filters.chinese:ChineseSettings",
    "words": "text.filters.words:WordsSettings",
    "urls": "text.filters.urls:UrlsSettings",
}
