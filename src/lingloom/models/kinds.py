"""The model families: a newcomer adds its row here and its file beside this one."""

MODELS = {
    "ngram": "models.ngram:NGramSettings",
    "gpt2": "models.gpt2:GPT2Settings",
    "llama": "models.llama:LlamaSettings",
    "bert": "models.bert:BertSettings",
    "transformer": "models.transformer:TransformerSettings",
    "rnn": "models.rnn:RNNSettings",
    "mlp": "models.mlp:MLPSettings",
    "textcnn": "models.textcnn:TextCNNSettings",
    "crf": "models.crf:CRFSettings",
    "seq2seq": "models.seq2seq:Seq2SeqSettings",
    "t5": "models.t5:T5Settings",
    "glove": "models.glove:GloVeSettings",
    "word2vec": "models.word2vec:Word2VecSettings",
}
