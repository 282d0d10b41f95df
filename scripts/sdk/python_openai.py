"""Asks a running gateway with OpenAI's own Python SDK, unmodified and strict about every type (C36).

`make sdk` runs it with a scripted model. By hand, against any gateway whose model calls a function when it is
offered one and that has the models `busy`, `slow`, `broken`, `denied` and `org/deep` of a provider `mock`:

    python -m venv /tmp/venv && /tmp/venv/bin/pip install openai
    /tmp/venv/bin/python scripts/sdk/python_openai.py http://127.0.0.1:18789/v1 "$TOKEN"
"""

import asyncio
import base64
import sys
import time
import uuid

from openai import (
    APIError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    InternalServerError,
    NotFoundError,
    OpenAI,
    RateLimitError,
)
from pydantic import BaseModel

base_url, token = sys.argv[1:3]
model = sys.argv[3] if len(sys.argv) > 3 else "openclaw"
client = OpenAI(base_url=base_url, api_key=token, max_retries=0, _strict_response_validation=True)
parameters = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
function = {"name": "get_weather", "description": "The weather of a city.", "parameters": parameters}
messages = [{"role": "user", "content": "What is the weather in Paris?"}]


class Weather(BaseModel):
    city: str
    celsius: int


def models():
    listed = client.models.list()
    assert listed.data, listed
    for entry in listed.data:
        assert client.models.retrieve(entry.id).id == entry.id
    raw = client.models.with_raw_response.list()
    assert raw.headers["x-request-id"]
    # The id has a slash of its own behind the provider's.
    assert client.models.retrieve("mock/org/deep").owned_by == "mock"


def chat():
    whole = client.chat.completions.create(model=model, messages=messages, max_completion_tokens=50)
    assert whole.choices[0].message.content and whole.usage.total_tokens > 0, whole
    assert whole._request_id, "x-request-id"
    several = client.chat.completions.create(model=model, messages=messages, n=2)
    assert [choice.index for choice in several.choices] == [0, 1], several
    chunks = list(
        client.chat.completions.create(
            model=model, messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices), chunks
    assert chunks[-1].usage.total_tokens > 0, chunks[-1]
    tools = [{"type": "function", "function": function}]
    asked = client.chat.completions.create(model=model, messages=messages, tools=tools)
    call = asked.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather", asked
    answer = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    told = client.chat.completions.create(
        model=model, messages=[*messages, asked.choices[0].message, answer], tools=tools
    )
    assert told.choices[0].message.content, told
    with client.chat.completions.stream(model=model, messages=messages, tools=tools) as stream:
        stream.until_done()
        assert stream.get_final_completion().choices[0].message.tool_calls, "a streamed call"
    parsed = client.chat.completions.parse(model=model, messages=messages, response_format=Weather)
    assert parsed.choices[0].message.parsed == Weather(city="Paris", celsius=21), parsed


def parts():
    text = base64.b64encode(b"Paris,21").decode()
    content = [
        {"type": "text", "text": "What is in it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "file", "file": {"filename": "weather.csv", "file_data": f"data:text/csv;base64,{text}"}},
    ]
    system = {"role": "developer", "content": "Be brief."}
    whole = client.chat.completions.create(
        model=model, messages=[system, {"role": "user", "content": content}], stop=["END"], seed=7, temperature=0
    )
    assert "Paris,21" in whole.choices[0].message.content, whole
    content = [
        {"type": "input_text", "text": "What is in it?"},
        {"type": "input_file", "filename": "weather.csv", "file_data": f"data:text/csv;base64,{text}"},
    ]
    whole = client.responses.create(model=model, input=[{"role": "user", "content": content}])
    assert "Paris,21" in whole.output_text, whole


def responses():
    whole = client.responses.create(model=model, input="Hello", instructions="Be brief.", metadata={"a": "b"})
    assert whole.output_text and whole.status == "completed", whole
    events = list(client.responses.create(model=model, input="Hello", stream=True))
    assert events[-1].type == "response.completed" and events[-1].response.output_text, events[-1]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    with client.responses.stream(model=model, input="Hello") as stream:
        stream.until_done()
        assert stream.get_final_response().output_text
    again = client.responses.retrieve(whole.id)
    assert again.output_text == whole.output_text, again
    tools = [{"type": "function", "strict": True, **function}]
    asked = client.responses.create(model=model, input="What is the weather in Paris?", tools=tools)
    call = asked.output[0]
    assert call.type == "function_call" and call.name == "get_weather", asked
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    told = client.responses.create(model=model, previous_response_id=asked.id, input=[output], tools=tools)
    assert told.output_text, told
    by_hand = [{"role": "user", "content": "What is the weather in Paris?"}, *asked.output, output]
    assert client.responses.create(model=model, input=by_hand, tools=tools).output_text
    with client.responses.stream(model=model, input="Weather in Paris?", tools=tools) as stream:
        stream.until_done()
        assert stream.get_final_response().output[0].type == "function_call"
    items = list(client.responses.input_items.list(told.id, order="asc"))
    assert [item.type for item in items] == ["message", "function_call", "function_call_output"], items
    parsed = client.responses.parse(model=model, input="Weather in Paris?", text_format=Weather)
    assert parsed.output_parsed == Weather(city="Paris", celsius=21), parsed
    client.responses.delete(told.id)
    refused(NotFoundError, lambda: client.responses.retrieve(told.id))


def reasoning():
    model = "mock/thoughtful"
    whole = client.responses.create(model=model, input="Hello", reasoning={"summary": "auto"})
    assert [item.type for item in whole.output] == ["reasoning", "message"], whole
    assert whole.output[0].summary[0].text == "Let me think.", whole
    with client.responses.stream(model=model, input="Hello", reasoning={"summary": "auto"}) as stream:
        words = [event.delta for event in stream if event.type == "response.reasoning_summary_text.delta"]
        final = stream.get_final_response()
    assert "".join(words) == final.output[0].summary[0].text == "Let me think.", final
    refusal = client.responses.create(model="mock/unwilling", input="Hello").output[0].content[0]
    assert (refusal.type, refusal.refusal) == ("refusal", "I will not."), refusal
    with client.responses.stream(model="mock/unwilling", input="Hello") as stream:
        stream.until_done()
        assert stream.get_final_response().output[0].content[0].refusal == "I will not."
    message = client.chat.completions.create(model="mock/unwilling", messages=messages).choices[0].message
    assert (message.content, message.refusal) == (None, "I will not."), message
    with client.chat.completions.stream(model="mock/unwilling", messages=messages) as stream:
        assert stream.get_final_completion().choices[0].message.refusal == "I will not."


def embeddings():
    # Its strict check comes before it decodes the base64 it asks for by default; Node's asks for that.
    made = client.embeddings.create(model="mock/quick", input=["one", "two"], encoding_format="float")
    assert [entry.embedding for entry in made.data] == [[1.0, -0.5], [1.0, -0.5]], made


def compaction():
    first = client.responses.create(model=model, input="My name is Ann.")
    short = client.responses.compact(model=model, previous_response_id=first.id)
    assert [item.type for item in short.output] == ["compaction"], short
    after = client.responses.create(model=model, input=[*short.output, {"role": "user", "content": "Who am I?"}])
    assert after.output_text, after


def background():
    queued = client.responses.create(model=model, input="Hello", background=True)
    assert queued.status == "queued", queued
    while queued.status in ("queued", "in_progress"):
        time.sleep(0.05)
        queued = client.responses.retrieve(queued.id)
    assert queued.output_text, queued
    events = list(client.responses.retrieve(queued.id, stream=True, starting_after=2))
    assert events[0].sequence_number == 3 and events[-1].type == "response.completed", events
    assert client.responses.cancel(queued.id).status == "completed"
    waiting = client.responses.create(model="mock/slow", input="Hello", background=True)
    assert client.responses.cancel(waiting.id).status == "cancelled"


def refused(kind, call):
    try:
        call()
    except APIStatusError as error:
        assert isinstance(error, kind) and error.request_id and error.code, error
        return error
    raise AssertionError(f"expected {kind.__name__}")


def refusals():
    refused(NotFoundError, lambda: client.models.retrieve("no/such/model"))
    for field in ({"n": 0}, {"logprobs": True}, {"logit_bias": {"50256": -100}}, {"temperature": 3}):
        error = refused(
            BadRequestError, lambda f=field: client.chat.completions.create(model=model, messages=messages, **f)
        )
        assert error.param == next(iter(field)), error
    error = refused(BadRequestError, lambda: client.responses.create(model=model, input="x", tools=["no_such_tool"]))
    assert error.param == "tools[0]", error
    alone = {"role": "tool", "tool_call_id": "c", "content": "x"}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}
    for wrong, param in [
        ([{"role": "user"}], "messages[0].content"),
        ([*messages, alone], "messages[1].role"),
        ([{"role": "user", "content": [image]}], "messages[0].content[0].image_url.url"),
    ]:
        error = refused(BadRequestError, lambda w=wrong: client.chat.completions.create(model=model, messages=w))
        assert error.param == param, error
    refused(BadRequestError, lambda: client.chat.completions.create(model="", messages=messages))
    refused(NotFoundError, lambda: client.chat.completions.create(model="nobody/knows", messages=messages))
    key = {"Idempotency-Key": str(uuid.uuid4())}
    client.chat.completions.create(model=model, messages=messages, extra_headers=key)
    again = [{"role": "user", "content": "Another question."}]
    refused(ConflictError, lambda: client.chat.completions.create(model=model, messages=again, extra_headers=key))
    stranger = client.with_options(api_key="oc_gw_wrong")
    refused(AuthenticationError, lambda: stranger.models.list())
    error = refused(RateLimitError, lambda: client.chat.completions.create(model="mock/busy", messages=messages))
    assert int(error.response.headers["retry-after"]) >= 1, error.response.headers
    # What asking again does not mend is not asked again, although the status is one that the SDK would repeat.
    patient = client.with_options(max_retries=5)
    began = time.monotonic()
    error = refused(InternalServerError, lambda: patient.chat.completions.create(model="mock/denied", messages=messages))
    assert error.response.headers["x-should-retry"] == "false" and time.monotonic() - began < 0.4, error
    hasty = client.with_options(timeout=0.3)
    try:
        hasty.chat.completions.create(model="mock/slow", messages=messages)
        raise AssertionError("expected a timeout")
    except APITimeoutError:
        pass


def broken():
    try:
        list(client.chat.completions.create(model="mock/broken", messages=messages, stream=True))
        raise AssertionError("a broken stream ended well")
    except APIError as error:
        assert "broke off" in str(error), error
    events = list(client.responses.create(model="mock/broken", input="Hello", stream=True))
    assert events[-1].type == "response.failed" and events[-1].response.error.code == "server_error", events[-1]


def without_waiting():
    """The same by the SDK's other client."""

    async def ask():
        async with AsyncOpenAI(
            base_url=base_url, api_key=token, max_retries=0, _strict_response_validation=True
        ) as other:
            whole = await other.chat.completions.create(model=model, messages=messages)
            assert whole.choices[0].message.content, whole
            stream = await other.chat.completions.create(model=model, messages=messages, stream=True)
            text = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            assert "".join(text), text
            events = [event async for event in await other.responses.create(model=model, input="Hello", stream=True)]
            assert events[-1].type == "response.completed", events[-1]
            assert (await other.models.retrieve("mock/quick")).id == "mock/quick"

    asyncio.run(ask())


for part in (models, chat, parts, embeddings, responses, reasoning, compaction, background, refusals, broken, without_waiting):
    part()
    print(f"{part.__name__}: ok")
