"""Names that columns and labels often have, and what they say about them."""

LABELS = (
    "label", "labels", "target", "class", "category", "sentiment", "intent", "topic", "tag", "tags",
    "emotion", "emotions", "y", "stars", "rating", "score", "similarity", "grade", "polarity",
)  # fmt: skip
TEXTS = (
    "text", "review", "sentence", "content", "body", "message", "comment", "tweet", "title",
    "headline", "question", "document", "description", "abstract", "sms", "utterance",
)  # fmt: skip
PAIRS = (
    ("sentence1", "sentence2"), ("sentence_1", "sentence_2"), ("question1", "question2"),
    ("premise", "hypothesis"), ("text1", "text2"), ("text_a", "text_b"), ("question", "sentence"),
    ("query", "passage"), ("query", "document"),
)  # fmt: skip
TRANSLATIONS = (("source", "target"), ("src", "tgt"), ("text", "translation"))
LANGUAGES = (
    "ar", "cs", "da", "de", "en", "es", "fi", "fr", "hi", "it", "ja", "ko", "nl", "pl", "pt", "ro",
    "ru", "sv", "tr", "uk", "zh", "chinese", "dutch", "english", "french", "german", "italian",
    "japanese", "portuguese", "russian", "spanish",
)  # fmt: skip
SUMMARIES = (
    ("document", "summary"), ("article", "highlights"), ("article", "summary"), ("text", "summary"),
    ("dialogue", "summary"),
)  # fmt: skip
QUESTIONS = (("question", "answer"), ("question", "response"))
PROMPTS = (
    ("prompt", "completion"), ("prompt", "response"), ("instruction", "output"),
    ("instruction", "response"), *QUESTIONS,
)  # fmt: skip
ANCHORS = ("anchor", "query", "question", "sentence")  # of a column in FOUND
FOUND, NOT_FOUND = ("positive", "pos"), ("negative", "neg")
CHOICES = ("choices", "options", "endings")  # lists
CONTEXTS = (
    "context", "passage", "article", "premise", "sent1", "ctx", "startphrase", "question", "text",
)  # fmt: skip
STEMS = ("question", "sent2")  # of choices, beside a context
WORDS = ("word", "words", "token", "tokens", "form")
GROUPS = (
    "user", "user_id", "author", "author_id", "patient", "patient_id", "speaker", "customer",
    "customer_id", "session", "session_id", "group", "group_id", "document_id", "doc_id", "family",
)  # fmt: skip
POSITIVES = (
    "yes", "true", "1", "1.0", "positive", "pos", "spam", "toxic", "relevant", "equivalent",
    "duplicate", "entailment", "fraud", "hate", "urgent", "defect", "fake",
)  # fmt: skip
SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
