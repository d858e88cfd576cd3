"""Why a document was left out, in Chinese: the corpus keeps the reason in English alone."""

import re

_REASONS = {
    "empty": "空文档",
    "shorter than {} characters": "少于 {} 个字符",
    "duplicate": "重复",
    "exact duplicate": "完全重复",
    "near duplicate": "近似重复",
    "nothing but repeated lines": "只剩重复的行",
    "nothing but repeated paragraphs": "只剩重复的段落",
    "weight of the source": "按来源的权重未取",
    "overlaps the held-out documents": "与留出文本重合",
    "overlaps {}": "与 {} 重合",
    "words and labels differ in number": "词数与标签数不同",
}
_RULES = {
    "empty": "空文档",
    "not {}": "不是 {}",
    "less sure than {}": "语言的把握不足 {}",
    "a word of the list": "含有词表中的词",
    "a domain of the list": "网址在列表的域名中",
    "a listed part in the address": "网址含有列出的字样",
    "lorem ipsum": "含有占位文字 lorem ipsum",
    "curly bracket": "含有花括号",
    "fewer than {} sentences": "少于 {} 句",
    "fewer than {} characters": "少于 {} 个字符",
    "fewer than {} words": "少于 {} 个词",
    "more than {} words": "多于 {} 个词",
    "fewer than {} stop words": "停用词少于 {} 个",
    "mean word under {} characters": "平均词长不足 {} 个字符",
    "mean word over {} characters": "平均词长超过 {} 个字符",
    "over {} hash signs per word": "平均每词的井号超过 {} 个",
    "over {} ellipses per word": "平均每词的省略号超过 {} 个",
    "over {} line feeds per word": "平均每词的换行超过 {} 个",
    "over {} of lines begin with a bullet": "以列表符号开头的行超过 {}",
    "over {} of lines end with an ellipsis": "以省略号结尾的行超过 {}",
    "over {} of lines have {} characters or fewer": "超过 {} 的行不多于 {} 个字符",
    "over {} of lines repeat": "重复的行超过 {}",
    "over {} of paragraphs repeat": "重复的段落超过 {}",
    "over {} of characters in lines repeat": "重复的行所占字符超过 {}",
    "over {} of characters in paragraphs repeat": "重复的段落所占字符超过 {}",
    "over {} of characters in repeated lines": "重复的行所占字符超过 {}",
    "over {} of characters in one sequence of {} words": "{1} 词的最常见序列所占字符超过 {0}",
    "over {} of characters in repeated sequences of {} words": "{1} 词的重复序列所占字符超过 {0}",
    "under {} of lines end a sentence": "以句末标点结尾的行不足 {}",
    "under {} of words have a letter": "含字母或汉字的词不足 {}",
}
"""What a family of quality rules says after its name."""


def in_chinese(reason: str) -> str:
    """The same in Chinese, without the family that says so; empty for a reason that is not known
    here, as of a rule of one's own."""
    return _said(_REASONS, reason) or _said(_RULES, reason.partition(": ")[2])


def _said(forms: dict[str, str], text: str) -> str:
    for form, chinese in forms.items():
        limit = "(.+)" if form.endswith("{}") else r"(\S+)"
        if found := re.fullmatch(re.escape(form).replace(r"\{\}", limit), text):
            return chinese.format(*found.groups())
    return ""
