"""`lingloom prove RUN`: the program's promises, tried on this very run, with the numbers shown."""

from ..loading import load as load_settings
from ..runs import find_run
from .console import answer, read_words, story, time_text


def run(arguments: list[str]) -> int:
    """Print one line per proof; exit code 1 when one fails."""
    words = read_words("prove", arguments, needs=1, takes=1, schema=None)
    if words is None:
        return 0
    from ..pipeline.outcome import write_report
    from ..pipeline.prepare import open_data
    from ..pipeline.proofs import evidence
    from ..recipe import Recipe
    from ..trust.prove import prove

    folder = find_run(words.names[0])
    recipe = load_settings(Recipe, folder.recipe)
    data = open_data(folder)
    proofs = []
    for proof in prove(evidence(folder, recipe, data)):
        proofs.append(proof)
        sign = {True: "✓", False: "✗", None: "·"}[proof.passed]
        if not words.json:
            print(f"{sign} {proof.name}: {proof.claim} ({time_text(proof.seconds_s)})")
            print(f"    {proof.row().numbers}")
    rows = [vars(proof.row()) for proof in proofs]
    folder.write_json("proofs.json", rows)
    write_report(folder, recipe, data)
    if words.json:
        answer(rows)
    failed = [proof.name for proof in proofs if proof.passed is False]
    if failed:
        story(f"failed: {', '.join(failed)}")
    return int(bool(failed))
