"""What a model may answer in a conversation: sentences to say and typed actions, nothing else.

The shape is checked here, the right and the means by ``domain.actions.allowed``. Whatever else stands in an answer (a
reward, a number, another field) makes it invalid as a whole: there is no field through which a model could move money,
items, loyalty or a relation by itself.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ganggpt.domain.actions import (
    ACTIONS_MAX,
    Action,
    Attack,
    CallPolice,
    Decline,
    Flee,
    Follow,
    GiveItem,
    OfferMission,
)
from ganggpt.domain.fields import is_worded
from ganggpt.errors import GangGPTError

SENTENCES_MAX: Final = 6
SENTENCE_CHARS_MAX: Final = 240
ANSWER_CHARS_MAX: Final = 8_000
"""A longer answer is not even parsed."""
_CODE_FENCE: Final = re.compile(r"\A\s*```(?:json)?\s*(.*?)\s*```\s*\Z", re.DOTALL)


class AnswerInvalid(GangGPTError):
    """A model's answer is not of the shape it was asked for; ``problem`` is what a repair attempt may be told."""

    code = "answer_invalid"

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.where, self.problem = where, problem

    def __str__(self) -> str:
        return f"the model's answer is not usable at {self.where}: {self.problem}"


def _worded(text: str) -> str:
    text = " ".join(text.split())
    if not text or not is_worded(text):
        raise ValueError("it is empty or has control characters")
    return text


Sentence = Annotated[str, StringConstraints(min_length=1, max_length=SENTENCE_CHARS_MAX), AfterValidator(_worded)]
Doing = Annotated[Follow | Attack | Flee | GiveItem | CallPolice | OfferMission | Decline, Field(discriminator="do")]


class ModelAnswer(BaseModel):
    """One answer of a model: what is said, sentence by sentence, and what is done."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    say: Annotated[list[Sentence], Field(min_length=1, max_length=SENTENCES_MAX)]
    actions: Annotated[list[Doing], Field(max_length=ACTIONS_MAX)] = []

    @property
    def doings(self) -> tuple[Action, ...]:
        """The actions as the rules take them."""
        return tuple(self.actions)


def read_answer(text: str) -> ModelAnswer:
    """A model's text as an answer; a code fence round the JSON is forgiven. Raises AnswerInvalid."""
    if len(text) > ANSWER_CHARS_MAX:
        raise AnswerInvalid("(whole)", f"{len(text)} characters, at most {ANSWER_CHARS_MAX}")
    fenced = _CODE_FENCE.match(text)
    try:
        return ModelAnswer.model_validate_json(fenced.group(1) if fenced else text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "(whole)"
        raise AnswerInvalid(where, first["msg"][:200]) from None


def answer_schema() -> dict[str, Any]:
    """The JSON schema to ask a provider for: closed objects with every field required, as structured outputs want."""
    texts = {"item": "a thing you hold", "target": "player", "mission": "id of one of your missions, or empty"}

    def of(action: type, *fields: str) -> dict[str, Any]:
        do = {"type": "string", "enum": [action.__dataclass_fields__["do"].default]}  # type: ignore[attr-defined]
        properties = {"do": do, **{name: {"type": "string", "description": texts[name]} for name in fields}}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    options = [
        of(Follow), of(Attack, "target"), of(Flee), of(GiveItem, "item"), of(CallPolice), of(OfferMission, "mission"),
        of(Decline),
    ]  # fmt: skip
    return {
        "type": "object",
        "properties": {
            "say": {"type": "array", "items": {"type": "string"}, "description": "1 to 4 short sentences, spoken"},
            "actions": {"type": "array", "items": {"anyOf": options}, "description": "usually empty, at most 3"},
        },
        "required": ["say", "actions"],
        "additionalProperties": False,
    }
