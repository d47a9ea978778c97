"""What models and their servers are known to do, through the real SDK: nobody is left without an answer by it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ganggpt.ai.gateway.dialect import dialect_of, is_reasoning
from ganggpt.ai.gateway.openai_provider import Endpoint, OpenAIProvider
from ganggpt.ai.gateway.provider import ProviderCall
from ganggpt.ai.model_answer import ModelAnswer, schema_for
from ganggpt.ai.port import Answered, Deflected, NotAnswered, PromptMessage
from ganggpt.testing.fake_model import Refuses, Says, Status, StreamsPieces
from tests.support.gateway_rig import heard, rigged, talk

SPOKEN = '{"say": "Fine. Come in.", "actions": []}'


@pytest.mark.parametrize(
    ("refused", "message", "status"),
    [
        ("max_tokens", "Unsupported parameter: '{}' is not supported. Use 'max_completion_tokens' instead.", 400),
        ("temperature", "Unsupported value: '{}' does not support 0.7. Only the default (1) is supported.", 400),
        ("stream_options", "Unrecognized request argument supplied: {}", 400),
        ("stream_options", "body.{}: Extra inputs are not permitted", 422),
        ("role:system", "Unsupported value: 'messages[0].role' does not support 'system' with this model.", 400),
        ("reasoning_effort", "Unsupported parameter: '{}' is not supported with this model.", 400),
        ("response_format.json_schema", "'response_format' of type 'json_schema' is not supported.", 400),
        ("response_format", "'{}' is not supported by this server", 422),
    ],
)  # fmt: skip
async def test_what_a_server_refuses_is_learned_once(refused: str, message: str, status: int) -> None:
    entry = {"temperature": 0.7, "reasoning_effort": "low"}
    async with rigged(entry=entry) as rig:
        rig.server.always["large"] = Refuses((refused,), SPOKEN, status, message)
        said, first = await heard(rig.gateway, talk("a", shape=ModelAnswer))
        asked = rig.server.count
        second = await rig.gateway.answer(talk("b", shape=ModelAnswer))
        assert rig.server.count == asked + 1, "it is learned once"
    assert said == ["Fine.", "Come in."]
    assert isinstance(first, Answered)
    assert isinstance(second, Answered)
    assert {seen.model for seen in rig.server.seen} == {"large"}, "no other model was asked for a technicality"


async def test_what_several_calls_find_out_at_once_is_one_lesson() -> None:
    async with rigged(entry={"temperature": 0.7}) as rig:
        wanted = ("max_tokens", "stream_options", "temperature", "response_format")
        message = "Unsupported parameter: '{}'. Use 'max_completion_tokens' instead."
        rig.server.always["large"] = Refuses(wanted, SPOKEN, 400, message)
        found = await asyncio.gather(*(heard(rig.gateway, talk(str(no), shape=ModelAnswer)) for no in range(8)))
    assert [said for said, _ in found] == [["Fine.", "Come in."]] * 8
    assert {seen.model for seen in rig.server.seen} == {"large"}


async def test_a_server_that_refuses_both_names_of_the_limit_is_not_asked_for_ever() -> None:
    async with rigged() as rig:
        message = "Unsupported parameter: '{}'"
        rig.server.always["large"] = Refuses(("max_tokens", "max_completion_tokens"), message=message)
        outcome = await rig.gateway.answer(talk())
    assert isinstance(outcome, Answered)
    assert [seen.model for seen in rig.server.seen] == ["large", "large", "small"]


async def test_several_refusals_one_after_the_other_are_all_learned() -> None:
    async with rigged(entry={"temperature": 0.7}) as rig:
        wanted = ("max_tokens", "temperature", "stream_options", "response_format", "role:system")
        message = "Unsupported parameter: '{}' is not supported, use another instead"
        rig.server.always["large"] = Refuses(wanted, SPOKEN, 400, message)
        said, outcome = await heard(rig.gateway, talk(shape=ModelAnswer))
        body = rig.server.seen[-1].body
    assert (said, isinstance(outcome, Answered)) == (["Fine.", "Come in."], True)
    assert body["max_completion_tokens"]
    told = body["messages"][0]
    assert told["role"] == "user"
    assert "JSON" in told["content"], "the form is told in words where no schema is taken"
    assert '{"say": "…", "actions": []}' in told["content"]


@pytest.mark.parametrize("kind", ["compatible", "azure"])
async def test_an_address_without_this_protocol_is_told_with_the_address_asked_and_its_variable(kind: str) -> None:
    async with rigged(kind=kind) as rig:
        where = rig.server.url if kind == "azure" else f"{rig.server.url}/v1"
        rig.server.always["large"] = Status(404, {"detail": "Not Found"})
        await rig.gateway.answer(talk())
        told = (await rig.gateway.state())["models"]["large"]
    assert f"{where}/" in told
    assert "/chat/completions" in told
    assert ("AZURE_OPENAI_ENDPOINT" if kind == "azure" else "OPENAI_BASE_URL") in told


async def test_a_request_that_is_really_wrong_is_not_repeated() -> None:
    async with rigged() as rig:
        rig.server.always["large"] = Refuses(("messages",), message="max_tokens is too large: 99999")
        await rig.gateway.answer(talk())
    assert [seen.model for seen in rig.server.seen] == ["large", "small"]


@pytest.mark.parametrize(
    ("model", "thinks"),
    [
        ("gpt-5", True), ("gpt-5-mini", True), ("gpt-5.1", True), ("o1", True), ("o4-mini", True),
        ("o3-2025-04-16", True), ("gpt-5-chat-latest", False), ("gpt-4o", False), ("gpt-4.1-mini", False),
        ("gpt-4-turbo", False), ("gpt-35-turbo", False), ("llama3.1:8b", False), ("openai/gpt-5-nano", True),
    ],
)  # fmt: skip
def test_a_reasoning_model_is_known_by_its_name_and_gets_room_to_think(model: str, thinks: bool) -> None:
    dialect = dialect_of(model, None, None, None)
    assert is_reasoning(model) == thinks
    assert (dialect.token_field == "max_completion_tokens") == thinks
    assert (dialect.reasoning_tokens > 0, dialect.effort) == (thinks, "low" if thinks else None)


async def test_the_room_for_thinking_is_beside_the_words_and_can_be_set() -> None:
    entry = {"family": "gpt-5-mini", "reasoning_effort": "minimal", "reasoning_tokens": 700}
    async with rigged(entry=entry) as rig:
        await rig.gateway.answer(talk(tokens_max=100))
        body = rig.server.seen[-1].body
    assert (body["max_completion_tokens"], body["reasoning_effort"]) == (800, "minimal")
    assert "max_tokens" not in body


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_model_that_thinks_for_all_its_tokens_is_not_asked_again_and_says_why(streamed: bool) -> None:
    async with rigged() as rig:
        rig.server.always["large"] = rig.server.always["small"] = Says("", finish="length")
        request = talk(shape=ModelAnswer)
        outcome = (await heard(rig.gateway, request))[1] if streamed else await rig.gateway.answer(request)
        assert [seen.model for seen in rig.server.seen] == ["large", "small"]
    assert isinstance(outcome, NotAnswered)
    assert "it thought for all of its" in outcome.detail
    assert "reasoning_tokens" in outcome.detail


async def test_parts_of_an_answer_are_put_together_and_thinking_in_fields_of_its_own_is_not_heard() -> None:
    parts: tuple[dict[str, Any], ...] = (
        {"reasoning_content": "They want in."},
        {"content": [{"type": "text", "text": '{"say": "Fine.'}]},
        {"content": [{"type": "text", "text": " Come"}, {"type": "text", "text": ' in.", "actions": []}'}]},
    )
    async with rigged() as rig:
        rig.server.always["large"] = StreamsPieces(parts)
        said, outcome = await heard(rig.gateway, talk(shape=ModelAnswer))
    assert (said, isinstance(outcome, Answered)) == (["Fine.", "Come in."], True)


async def test_a_refusal_in_a_stream_is_no_answer_and_no_other_model_gets_the_text() -> None:
    async with rigged() as rig:
        rig.server.always["large"] = StreamsPieces(({"refusal": "I can't help with that."},))
        said, outcome = await heard(rig.gateway, talk(shape=ModelAnswer))
    assert said == []
    assert isinstance(outcome, Deflected)
    assert outcome.categories == ("refusal",)
    assert {seen.model for seen in rig.server.seen} == {"large"}


async def test_a_stream_that_just_closes_counts_where_all_of_the_answer_is_there() -> None:
    pieces = tuple({"content": piece} for piece in ('{"say": "Fine. ', 'Come in.", "actions": ', '[{"do": "follow"}]}'))
    async with rigged() as rig:
        rig.server.always["large"] = StreamsPieces(pieces, finish=None)
        said, outcome = await heard(rig.gateway, talk(shape=ModelAnswer))
        rig.server.always["large"] = StreamsPieces(pieces[:2], finish=None)
        cut = await heard(rig.gateway, talk("b", shape=ModelAnswer))
    assert said == ["Fine.", "Come in."]
    assert isinstance(outcome, Answered)
    assert not outcome.cut
    assert isinstance(outcome.value, ModelAnswer)
    assert [action.do for action in outcome.value.doings] == ["follow"]
    assert isinstance(cut[1], Answered)
    assert cut[1].cut


async def test_the_last_sentence_is_spoken_when_its_string_closes_and_not_when_the_answer_does() -> None:
    pieces = tuple({"content": piece} for piece in ('{"say": "Fine. Come in', '.", ', '"actions": ['))
    async with rigged() as rig:
        rig.server.always["large"] = StreamsPieces(pieces, hangs=True)
        said, outcome = await heard(rig.gateway, talk(shape=ModelAnswer))
    assert said == ["Fine.", "Come in."]
    assert isinstance(outcome, Answered)


async def test_what_was_cut_is_never_spoken_as_a_fragment() -> None:
    async with rigged() as rig:
        rig.server.always["large"] = Says('{"say": "Fine. Come in and tell me', finish="length")
        said, outcome = await heard(rig.gateway, talk(shape=ModelAnswer))
    assert said == ["Fine."]
    assert isinstance(outcome, Answered)
    assert outcome.cut


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_answer_that_was_cut_is_not_asked_for_again(streamed: bool) -> None:
    async with rigged() as rig:
        rig.server.always["large"] = Says('{"say": "Come in and tell me', finish="length")
        rig.server.always["small"] = Says(SPOKEN)
        request = talk(shape=ModelAnswer)
        outcome = (await heard(rig.gateway, request))[1] if streamed else await rig.gateway.answer(request)
        asked = [seen.model for seen in rig.server.seen]
    assert asked == ["large", "small"], "it would be cut again"
    assert isinstance(outcome, Answered)


async def test_words_that_their_bound_ended_are_spoken_up_to_their_last_whole_sentence() -> None:
    words = "Fine. Come in, and tell me all"
    schema = {**schema_for({}), "properties": {"say": {"type": "string", "maxLength": len(words)}}}
    async with rigged() as rig:
        rig.server.always["large"] = Says(json.dumps({"say": words, "actions": [{"do": "flee"}]}))
        said, outcome = await heard(rig.gateway, talk(shape=ModelAnswer, schema=schema))
        again = await heard(rig.gateway, talk(shape=ModelAnswer, schema=schema))
        rig.server.always["large"] = Says(json.dumps({"say": "Fine. Come in. Tell me of it. ", "actions": []}))
        whole = await heard(rig.gateway, talk("b", shape=ModelAnswer, schema=schema))
    assert said == again[0] == ["Fine."], "also where it comes from the cache"
    assert isinstance(outcome, Answered)
    assert outcome.cut
    assert isinstance(outcome.value, ModelAnswer)
    assert (outcome.value.say, [action.do for action in outcome.value.doings]) == ("Fine.", ["flee"])
    assert whole[0] == ["Fine.", "Come in.", "Tell me of it."]


async def test_a_server_that_closes_after_every_stream_is_asked_again_at_once() -> None:
    async with closing_server(SPOKEN) as url:
        provider = OpenAIProvider(Endpoint("compatible", "llama.cpp", url))
        call = ProviderCall("m", (PromptMessage("user", "Who are you?"),), 50)
        try:
            for _ in range(10):
                assert "".join([delta.text async for delta in provider.stream(call)]) == SPOKEN
        finally:
            await provider.close()


@pytest.mark.parametrize("usage", ["missing", "null", "everywhere"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_a_stream_in_pieces_of_three_bytes_with_signs_of_life_and_any_usage_is_read(usage: str, end: str) -> None:
    """Letters of several bytes are cut in two, and comments keep the connection alive."""
    words = "Grüß dich, 老板 🙂."
    count = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    given = {"missing": {}, "null": {"usage": None}, "everywhere": {"usage": count}}[usage]
    choices = [{"index": 0, "delta": {"content": letter}, "finish_reason": None} for letter in words]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **given}
    events = [json.dumps({**frame, "choices": [choice]}, ensure_ascii=False) for choice in choices]
    lines = [
        ": still there",
        "",
        *(line for event in events for line in (f"data: {event}", "", ":", "")),
        "data: [DONE]",
    ]
    body = end.join([*lines, "", ""]).encode()
    async with scripted_server([body[at : at + 3] for at in range(0, len(body), 3)]) as url:
        provider = OpenAIProvider(Endpoint("compatible", "any", url))
        try:
            call = ProviderCall("m", (PromptMessage("user", "Who are you?"),), 50)
            deltas = [delta async for delta in provider.stream(call)]
        finally:
            await provider.close()
    assert "".join(delta.text for delta in deltas) == words
    counted = [delta.counted for delta in deltas if delta.counted is not None]
    assert [one.tokens_out for one in counted[-1:]] == ([5] if usage == "everywhere" else [])


@asynccontextmanager
async def scripted_server(pieces: list[bytes]) -> AsyncIterator[str]:
    """Answers every request with a stream of these pieces, each of which is sent by itself."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", asked)[1]))
        writer.write(head)
        for piece in pieces:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@asynccontextmanager
async def closing_server(text: str) -> AsyncIterator[str]:
    """As llama.cpp's server does: it announces that the connection stays, and closes it after a stream unless the
    client said that it would."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    piece = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    last = {**piece, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    body = "".join(f"data: {json.dumps(one)}\n\n" for one in (piece, last)) + "data: [DONE]\n\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", asked)[1]))
        kept = "Connection: close" if b"connection: close" in asked else "Keep-Alive: timeout=5, max=100"
        chunk = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
        writer.write(f"{head}{kept}\r\n\r\n{chunk}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def test_a_model_that_answers_in_plain_words_is_heard() -> None:
    async with rigged() as rig:
        rig.server.always["large"] = Says("Fine. Come in.")
        said, outcome = await heard(rig.gateway, talk(shape=ModelAnswer))
    assert said == ["Fine.", "Come in."]
    assert isinstance(outcome, Answered)
    assert not outcome.repaired
