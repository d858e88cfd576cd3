"""Go on from a prompt."""

from ..models.decode import DecodeSettings, Stream, stream_text
from ..models.decode import generate as generate_ids
from ..models.model import LanguageModel
from ..tokens.tokenizer import Tokenizer


def generate(
    model: LanguageModel, tokenizer: Tokenizer, prompt: str, settings: DecodeSettings
) -> Stream[str]:
    """What the model writes after `prompt`, piece by piece; the prompt is not part of it.

    The prompt is taken for the beginning of a document: it stands behind END, as in training.

    Raises:
        ShapeError: the prompt, with END, is longer than the model's context.
    """
    ids = [tokenizer.end, *tokenizer.encode(prompt)]
    answer = generate_ids(model, ids, tokenizer.end, settings)
    return stream_text(tokenizer, answer, ids, settings.stop)
